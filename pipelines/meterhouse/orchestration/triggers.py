"""When things run: jobs, a sensor on object storage, schedules. Times are UTC."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from meterhouse import seeds, shared_lake
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.errors import LockedError
from meterhouse.lock import run_lock
from meterhouse.orchestration import assets, in_process
from meterhouse.paths import DataDir
from meterhouse.settings import read_settings
from meterhouse.storage import Storage

RANGE_START = "dagster/asset_partition_range_start"  # Dagster's own tags
RANGE_END = "dagster/asset_partition_range_end"
DUE = "meterhouse/due"  # what was due when the run was asked for

load_job = dg.define_asset_job("load", selection=[assets.lake], description="Load what collectors shipped.")
build_job = dg.define_asset_job(
    "build",
    selection=[*assets.MODEL_ASSETS, assets.published_snapshot, assets.alerts],
    description="Build what the load touched, check it, publish it, tell.",
)
share_job = dg.define_asset_job(
    "share", selection=[assets.shared_lake_tables], description="Bring the shared lake to the state of the lake."
)
tell_job = dg.define_asset_job(
    "tell", selection=[assets.alerts], description="Find new alerts and deliver what is due."
)
upkeep_job = dg.define_asset_job(
    "upkeep", selection=[assets.lake_upkeep], description="Compact the lake and remove what nobody needs."
)
audit_job = dg.define_asset_job(
    "nightly_audit", selection=[assets.audit], description="Audit the snapshot with Great Expectations."
)
report_job = dg.define_asset_job(
    "report", selection=[assets.weekly_report], description="Write and mail the weekly report."
)


@dg.sensor(job=load_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def new_objects(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a load when object storage holds a key later than, or other than, those at the last look."""
    storage = Storage(read_settings().require("storage_raw"))
    seen = hashlib.sha256(storage.listing().select("key", "etag").write_csv().encode()).hexdigest()
    if seen == context.cursor:
        return dg.SkipReason("no new objects")
    context.update_cursor(seen)
    return dg.RunRequest(run_key=seen)


@dg.sensor(job=build_job, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def due_days(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the days that models have not seen yet, once for each state of lake and models.

    It asks what is due instead of waiting for a load to succeed, so that a trigger missed while another run held the
    lock is not lost. It also frees the slot of a killed `meterhouse run`, for which a queued run would wait for hours.
    """
    in_process.fail_abandoned(context.instance)
    settings = read_settings()
    try:
        tags = due_range(DataDir(Path(settings.require("storage_data"))), Storage(settings.require("storage_raw")))
    except LockedError as error:
        return dg.SkipReason(str(error))
    return dg.RunRequest(run_key=tags[DUE], tags=tags) if tags else dg.SkipReason("every model is current")


@dg.schedule(job=share_job, cron_schedule="*/10 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING,
             description="Again and again, because its storage may be out of reach.")  # fmt: skip
def share_often(_: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for the shared lake when it is behind."""
    settings = read_settings()
    if not settings.storage_lake:
        return dg.SkipReason("no [storage] lake is set")
    if not shared_lake.is_due(DataDir(Path(settings.require("storage_data"))), settings.storage_lake):
        return dg.SkipReason("the shared lake is current")
    return dg.RunRequest()


load_hourly = dg.ScheduleDefinition(
    job=load_job, cron_schedule="7 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The listing is the truth, the sensor only a hint.",
)  # fmt: skip
tell_often = dg.ScheduleDefinition(
    job=tell_job, cron_schedule="*/10 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deliver what a mail server or webhook refused before; deciding and sending twice does nothing.",
)  # fmt: skip
audit_nightly = dg.ScheduleDefinition(
    job=audit_job, cron_schedule="37 3 * * *", default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At night: its import alone takes seconds.",
)  # fmt: skip
upkeep_nightly = dg.ScheduleDefinition(
    job=upkeep_job, cron_schedule="17 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING,
    description="At night: the day before yesterday is closed, and the run lock is free.",
)  # fmt: skip
report_weekly = dg.ScheduleDefinition(
    job=report_job, cron_schedule="0 6 * * 2", default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Tuesday, when the weekend's late events are in.",
)  # fmt: skip


def due_range(data: DataDir, storage: Storage) -> dict[str, str] | None:
    """Tags of a build run over the partitions that are due; None when every model is current and published."""
    with run_lock(data), Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(storage)) as builder:
        if builder.is_current():
            return None
        daily = [model for model in builder.models.values() if model.kind == "daily"]
        days = sorted({day for model in daily for day in builder.due_days(model)})
        due = builder.due_key()
    last = datetime.now(UTC).date()
    first, final = (min(max(day, assets.FIRST_DAY), last) for day in ((days or [last])[0], (days or [last])[-1]))
    return {RANGE_START: first.isoformat(), RANGE_END: final.isoformat(), DUE: due, **assets.EVERYTHING_NEW}
