"""The served site: the pages, and beside them the Data Docs of the last audit. It serves files of that one folder and no others."""

import os
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from streamlit.starlette import App

from meterhouse.paths import DataDir
from meterhouse_dashboards.words import AUDIT

_DOCS = DataDir(Path(os.environ["METERHOUSE_STORAGE_DATA"])).audit_docs.parent
_DOCS.mkdir(parents=True, exist_ok=True)  # before the first audit there is nothing to serve, which is no error

app = App(
    Path(__file__).with_name("app.py"),
    routes=[
        Mount(
            AUDIT,
            StaticFiles(directory=_DOCS, html=True),
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])],
        )
    ],
)
