"""The dashboard: finds the pages, opens the snapshot for one run of one page, and says what to do when there is none."""

from pathlib import Path

import streamlit as st

from meterhouse.errors import MeterhouseError
from meterhouse_dashboards import navigation, warehouse

LOGO = Path(__file__).with_name("logo.svg")


def main() -> None:
    """One run of one page."""
    st.set_page_config(
        page_title="Meterhouse", page_icon=":material/show_chart:", layout="wide", initial_sidebar_state=240
    )
    st.logo(str(LOGO), size="large")
    views = {view.title: view for view in navigation.views()}
    page = st.navigation([st.Page(view.path, title=view.title, url_path=view.path.stem) for view in views.values()])
    try:
        with warehouse.opened() as snapshot:
            st.title(page.title)
            st.caption(views[page.title].caption)
            _say_which(snapshot)
            page.run()
    except MeterhouseError as error:
        st.title("Meterhouse")
        st.info("There is nothing to show yet. Load what collectors shipped, then reload this page:")
        st.code("meterhouse run --raw DEST --data DIR", language="shell")
        st.text(str(error))


def _say_which(snapshot: warehouse.Snapshot) -> None:
    days = f"data until {snapshot.last_day}" if snapshot.first_day else "no events yet"
    st.sidebar.caption(
        f"Snapshot {snapshot.version}  \nbuilt {snapshot.built_at:%Y-%m-%d %H:%M}  \n{days}  \nISO weeks, all times UTC"
    )


main()
