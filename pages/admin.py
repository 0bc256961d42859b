"""What an administrator does: retrain, follow jobs, compare, promote, keep the registry, read the log, look after the system."""

import streamlit as st

from pages.ui import access, shell, warmup
from pages.ui.admin import audit, comparing, jobs, models, parts, retraining, system

SHOWN = {"retrain": retraining.show, "jobs": jobs.show, "compare": comparing.show, "models": models.show, "audit": audit.show, "system": system.show}


def main() -> None:
    """The page."""
    st.title("Admin", anchor=False)
    with shell.one_line_errors():
        user = access.current_user()
        access.require(user, "admin")
        part = parts.choose()
        warmup.settle()
        with st.container(key="admin"):
            SHOWN[part](user)


if __name__ == "__main__":
    shell.run(main)
