"""Overview.

What coding agents cost, who works with them and what they do, by week and team.
"""

import streamlit as st

from meterhouse_dashboards import ui

ORDER = 10
TILES = ("agent_spend", "active_engineers", "input_tokens", "sessions", "lines_added")
TEAM = ("agent_spend", "active_engineers", "cost_per_active_engineer", "input_tokens", "sessions", "lines_added")

selection = ui.filters()
ui.tiles(TILES, selection)
st.space("small")

left, right = st.columns([2, 1], gap="large")
with left:
    ui.weekly_by_agent("agent_spend", selection, legend=True)
with right:
    ui.weekly("active_engineers", selection)

for column, name in zip(st.columns(3, gap="large"), ("input_tokens", "sessions", "lines_added"), strict=True):
    with column:
        ui.weekly_by_agent(name, selection)

st.subheader("Teams")
ui.table("team", TEAM, selection, trend="agent_spend")
ui.notes((*TILES, "cost_per_active_engineer"))
