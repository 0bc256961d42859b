"""Leadwise in the browser: page set-up, navigation, and nothing else.

`streamlit run streamlit_app.py` serves `app`, whose routes answer beside the pages; the script itself runs as `__main__` for each page.
"""

import streamlit as st
from starlette.middleware import Middleware

from pages.ui import access, routes, shell

app = st.App(__file__, routes=routes.ROUTES, middleware=[Middleware(access.Guard)])


def main() -> None:
    """Choose the page asked for and run it inside the frame that all pages share."""
    st.set_page_config(page_title="Leadwise", page_icon=":material/ecg:", layout="wide")
    chosen = st.navigation(
        [
            st.Page("pages/records.py", title="Records", icon=":material/folder_open:", default=True),
            st.Page("pages/review.py", title="Review", icon=":material/ecg_heart:"),
            st.Page("pages/rhythm.py", title="Rhythm", icon=":material/monitor_heart:"),
            st.Page("pages/restore.py", title="Restore", icon=":material/timeline:"),
            st.Page("pages/sessions.py", title="Sessions", icon=":material/groups:"),
            st.Page("pages/evidence.py", title="Evidence", icon=":material/fact_check:"),
            st.Page("pages/admin.py", title="Admin", icon=":material/tune:", visibility="visible" if access.is_admin() else "hidden"),
        ],
        position="top" if access.is_known() else "hidden",
    )
    with shell.frame():
        chosen.run()


if __name__ == "__main__":
    main()
