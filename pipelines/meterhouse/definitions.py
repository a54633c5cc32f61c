"""The code location: what `dagster dev -m meterhouse.definitions` and `dg` load."""

import dagster as dg

from meterhouse.orchestration import assets, triggers
from meterhouse.orchestration.workshop import Workshop

defs = dg.Definitions(
    assets=[
        assets.lake,
        assets.shared_lake_tables,
        assets.lake_upkeep,
        *assets.MODEL_ASSETS,
        assets.published_snapshot,
        assets.alerts,
        assets.weekly_report,
        assets.audit,
    ],
    jobs=[
        triggers.load_job,
        triggers.share_job,
        triggers.build_job,
        triggers.tell_job,
        triggers.report_job,
        triggers.audit_job,
        triggers.upkeep_job,
    ],
    sensors=[triggers.new_objects, triggers.due_days],
    schedules=[
        triggers.load_hourly,
        triggers.share_often,
        triggers.tell_often,
        triggers.report_weekly,
        triggers.audit_nightly,
        triggers.upkeep_nightly,
    ],
    resources={"workshop": Workshop()},
    executor=dg.in_process_executor,  # a process an asset costs 3 s each and could not share the database
)
