"""The app as it is, but for the models that it ships, which stand in the folder `shipped` of its home: `streamlit run tests/browser/rhythm_app.py`."""

import streamlit as st
from starlette.middleware import Middleware

from ecgcore import settings
from pages.ui import access, routes

settings.SHIPPED_WEIGHTS = settings.home() / "shipped"
app = st.App(str(settings.ROOT / "streamlit_app.py"), routes=routes.ROUTES, middleware=[Middleware(access.Guard)])
