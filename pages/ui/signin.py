"""What is seen of sign-in: the page that asks for it, the page that refuses, and the line that says who is there."""

from typing import Final

import streamlit as st

from pages.ui import access
from pages.ui.text import plain

_WIDTH_PX: Final = 440
_ABOVE_PX: Final = 96


def show(error: access.AccessError, notice: str) -> None:
    """In place of any page: why it is not shown, and the one thing that can be done about it."""
    st.space(_ABOVE_PX)
    with st.container(horizontal_alignment="center"), st.container(width=_WIDTH_PX):
        with st.container(key="signin", border=True):
            st.title("Leadwise", anchor=False)
            st.markdown("ECG review desk")
            if isinstance(error, access.NotSignedInError):
                st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login, width="stretch")
            elif isinstance(error, access.RefusedError):
                st.warning(_sentence(str(error)), icon=":material/lock:")
                who(error.name)
            else:
                st.error(_sentence(f"nobody can be let in: {error}"), icon=":material/error:")
        st.caption(notice)


def line(user: access.User, notice: str) -> None:
    """The line above every page; in OIDC mode it says who is signed in, and signs him out."""
    if user == access.LOCAL:
        st.caption(notice, text_alignment="right")
        return
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", gap="small"):
        st.markdown(f":small[{notice}]", width="content")  # a caption would stand lower than what follows
        who(f"{user.name}, {user.role}")


def who(name: str) -> None:
    """Who is signed in, and the button that signs him out, here and at the provider."""
    with st.container(horizontal=True, vertical_alignment="center", width="content", gap="small"):
        st.text(name, width="content")  # as Markdown an e-mail address would become a link
        st.button("Sign out", key="sign-out", type="tertiary", icon=":material/logout:", on_click=st.logout)


def _sentence(text: str) -> str:
    return plain(f"{text[0].upper()}{text[1:]}.")
