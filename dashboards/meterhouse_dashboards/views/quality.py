"""Data quality.

What became of every event, and which figures wait for a price.
"""

import pandas
import streamlit as st

from meterhouse_dashboards import ui, warehouse, words

ORDER = 90
STEPS = ("spooled", "loaded", "duplicate", "quarantined", "parked", "residual", "dropped", "missing")

totals = ", ".join(f"CAST(coalesce(sum({step}), 0) AS BIGINT) AS {step}" for step in STEPS)
sums = warehouse.rows(f"SELECT {totals} FROM rpt_accounting").iloc[0].to_dict()
for column, step in zip(st.columns(len(STEPS)), STEPS, strict=True):
    column.metric(step.capitalize(), f"{sums[step]:,}")
if sums["residual"] == 0:
    st.caption(
        "Every event that collectors announced is accounted for: spooled = loaded + duplicate + quarantined + parked."
    )
else:
    st.warning("Some announced events are not accounted for. The senders below with a residual are where to look.")

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Quarantine")
    ui.rows(
        warehouse.rows(
            "SELECT reason, field, count(*) AS lines, count(DISTINCT object_key) AS objects FROM load_quarantine "
            "GROUP BY reason, field ORDER BY lines DESC, reason, field"
        ),
        "Nothing is in quarantine.",
    )
    st.subheader("Parked")
    ui.rows(
        warehouse.rows(
            "SELECT kind, schema_version, count(*) AS events FROM load_parked GROUP BY ALL ORDER BY events DESC, kind"
        ),
        "Nothing is parked: this version knows every kind of event it was sent.",
    )
with right:
    st.subheader("Requests without a price")
    ui.rows(
        warehouse.rows(
            "SELECT provider, model, price_status AS reason, CAST(sum(requests) AS BIGINT) AS requests, "
            "max(day) AS last_day FROM rpt_price_exceptions GROUP BY ALL ORDER BY requests DESC, model"
        ),
        "Every successful request has a list price.",
    )
    st.subheader("Last loads")
    ui.rows(
        warehouse.rows(
            "SELECT load_seq AS load, max(received_at) AS last_received, count(*) AS objects, "
            "CAST(sum(rows_loaded) AS BIGINT) AS loaded, count(problem) AS problems FROM load_ledger "
            "GROUP BY load_seq ORDER BY load_seq DESC LIMIT 10"
        ),
        "Nothing was loaded yet.",
    )
    st.subheader("Left out on laptops")
    ui.rows(
        warehouse.rows(
            "SELECT reason, CAST(sum(events) AS BIGINT) AS times, count(DISTINCT sender) AS senders "
            "FROM rpt_dropped_events GROUP BY reason ORDER BY times DESC, reason"
        ),
        "Collectors sent everything that they could read.",
    )

st.subheader("Second opinion")
audit = warehouse.last_audit()
if audit is None:
    st.caption("Great Expectations has not looked yet: it does every night, or when you run `meterhouse audit`.")
else:
    count = sum(row["expectations"] for row in audit["tables"])
    st.caption(
        f"Great Expectations asked {count:,} questions of what was loaded, up to load {audit['load_seq']}. "
        "Its own pages take their style from the internet; without it they are plain."
    )
    verdicts = [{**row, "failed": ", ".join(row["failed"]) or "none"} for row in audit["tables"]]
    ui.rows(pandas.DataFrame(sorted(verdicts, key=lambda row: row["failed"] == "none")), "Nothing was loaded yet.")
    st.link_button("Open the Data Docs", f"{words.AUDIT}/")

st.subheader("Accounting by sender and day")
ui.rows(
    warehouse.rows(
        f"SELECT sender, day, objects, {', '.join(STEPS)} FROM rpt_accounting "
        "ORDER BY abs(residual) DESC, quarantined DESC, day DESC, sender"
    ),
    "No collector has shipped yet.",
)
