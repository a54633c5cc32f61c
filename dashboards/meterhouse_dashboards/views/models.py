"""Models & agents.

Which models the agents call, what they cost at list price, and how much of the reading comes from the cache.
"""

import streamlit as st

from meterhouse_dashboards import ui

ORDER = 20
TILES = ("requests", "output_tokens", "cache_read_share", "failed_request_share", "unpriced_share")
COLUMNS = ("agent_spend", "requests", "input_tokens", "cache_read_share", "unpriced_share")

selection = ui.filters()
ui.tiles(TILES, selection)
st.space("small")

left, right = st.columns(2, gap="large")
with left:
    ui.ranked("agent_spend", selection, by="model")
with right:
    ui.weekly_by_agent("requests", selection, legend=True)

st.subheader("Models")
ui.table("model", COLUMNS, selection, trend="agent_spend")
st.subheader("Agents")
ui.table("agent", COLUMNS, selection, trend="agent_spend")
ui.notes((*COLUMNS, *TILES))
