"""The assets: one a SQL model with its real dependencies, words and checks; each calls what `meterhouse run --plain` calls."""

import time
import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from meterhouse import checks, compaction, delta, shared_lake, snapshot
from meterhouse import load as loading
from meterhouse.audit import audit as run_audit
from meterhouse.audit import tables
from meterhouse.build import Built
from meterhouse.lineage import load_lineage
from meterhouse.models import Model, load_models
from meterhouse.orchestration.workshop import Workshop
from meterhouse.settings import read_settings
from meterhouse.vacuum import vacuum

warnings.filterwarnings("ignore", category=dg.BetaWarning)  # backfill policies and freshness: stable enough for us
FIRST_DAY = date(2024, 1, 1)  # older event days are built too, but have no partition of their own in the UI
EVERYTHING_NEW = {
    "meterhouse/days": "due"
}  # tag of runs in which the watermarks, not the partitions, say what to build
POOL = "warehouse"
DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)
SNAPSHOT = "snapshot"


def _fresh_within(hours: int) -> dg.FreshnessPolicy:
    """Late after these hours, warned of at half of them."""
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours), warn_window=timedelta(hours=hours / 2))


@dg.asset(name="lake", group_name="lake", kinds={"parquet"}, pool=POOL, freshness_policy=_fresh_within(4))
def lake(workshop: Workshop) -> dg.MaterializeResult:
    """Events of every kind by day: each object of the storage is loaded once, each line accounted for."""
    began, seq = time.monotonic(), workshop.catalog.load_seq
    loaded = loading.load(workshop.storage, workshop.catalog)
    delta.follow(workshop.catalog)
    metadata = _load_metadata(loaded)
    return dg.MaterializeResult(
        metadata={**metadata, "bytes": workshop.catalog.bytes_since(seq), "seconds": _since(began)}
    )


def _load_metadata(loaded: loading.Loaded) -> dict[str, Any]:
    return {"objects": loaded.objects, "dagster/row_count": loaded.rows, "duplicates": loaded.duplicates,
            "quarantined": loaded.quarantined, "parked": loaded.parked, "problems": loaded.problems}  # fmt: skip


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


@dg.asset(name="shared_lake", group_name="lake", deps=["lake"], kinds={"deltalake"}, pool=POOL)
def shared_lake_tables(workshop: Workshop) -> dg.MaterializeResult:
    """The lake's Delta tables on object storage, for engines on other machines; nothing where no `[storage] lake` is set."""
    began, place = time.monotonic(), read_settings().storage_lake
    if not place:  # a backfill of everything wants an answer of each asset
        return dg.MaterializeResult(metadata={"tables": 0, "note": "no [storage] lake is set"})
    done = shared_lake.follow(workshop.catalog.data, place)
    return dg.MaterializeResult(
        metadata={"tables": done.tables, "files": done.files, "bytes": done.bytes, "seconds": _since(began)}
    )


@dg.asset(name="lake_upkeep", group_name="lake", deps=["lake"], kinds={"deltalake"}, pool=POOL,
          freshness_policy=_fresh_within(50))  # fmt: skip
def lake_upkeep(workshop: Workshop) -> dg.MaterializeResult:
    """Days that lie in many files become one file each; replaced files go when no reader and no kept report needs them."""
    began = time.monotonic()
    compacted = compaction.compact(workshop.catalog)
    vacuumed = vacuum(workshop.catalog, read_settings())
    return dg.MaterializeResult(
        metadata={
            "days_compacted": len(compacted),
            "files_compacted": sum(row.files for row in compacted),
            "dagster/row_count": sum(row.rows for row in compacted),
            "bytes_before": sum(row.bytes_before for row in compacted),
            "bytes_after": sum(row.bytes_after for row in compacted),
            "files_removed": len(vacuumed.paths),
            "shared_files_removed": len(vacuumed.shared),
            "bytes_removed": vacuumed.bytes,
            "seconds": _since(began),
        }
    )


def model_asset(model: Model) -> dg.AssetsDefinition:
    """The asset of one SQL model: its real dependencies, its words, its checks."""
    upstream = sorted(model.depends_on) + (
        ["lake"] if any(name.startswith(("lake_", "load_")) for name in model.reads) else []
    )
    specs = [
        dg.AssetCheckSpec(check.name, asset=model.name, description=check.about, blocking=not check.is_alarm)
        for check in checks.checks_of(model)
    ]

    @dg.asset(
        name=model.name,
        deps=upstream,
        group_name=model.layer,
        description=model.description,
        metadata={
            "dagster/column_schema": _column_schema(model),
            "dagster/column_lineage": _column_lineage(model),
            "source": model.path.name,
        },
        partitions_def=DAYS if model.kind == "daily" else None,
        backfill_policy=dg.BackfillPolicy.single_run() if model.kind == "daily" else None,
        check_specs=specs,
        code_version=model.fingerprint,
        kinds={"sql", "duckdb"},
        pool=POOL,
    )
    def asset(context: dg.AssetExecutionContext, workshop: Workshop) -> dg.MaterializeResult:
        return _materialize(model, context, workshop)

    return asset


def _materialize(model: Model, context: dg.AssetExecutionContext, workshop: Workshop) -> dg.MaterializeResult:
    """What is due is built in every run, or a run of some days that loads too would publish a load of which days lack rows."""
    began = time.monotonic()
    built = workshop.builder.build(model, _asked_days(context, model))
    seconds = _since(began)
    if model.kind == "daily":
        _tell_days(built, context, workshop.builder.state.rows_by_day(model.name))
    verdicts = checks.check_news(workshop.builder, model)
    return dg.MaterializeResult(
        metadata={"rows_built": built.rows, "seconds": seconds},
        check_results=[
            dg.AssetCheckResult(passed=row.is_passed, check_name=row.check.name, metadata={"bad_rows": row.bad_count})
            for row in verdicts
        ],
    )


def _tell_days(built: Built, context: dg.AssetExecutionContext, rows: Mapping[str, int]) -> None:
    """The rows of each partition of the run, and days besides that were built: Dagster knows of those only what it is told."""
    for key in context.partition_keys:
        context.add_asset_metadata({"dagster/partition_row_count": rows.get(key, 0)}, partition_key=key)
    days = sorted(rows) if built.days is None else [day.isoformat() for day in built.days]
    asked = {*context.partition_keys}
    for key in days:
        if key not in asked and DAYS.has_partition_key(key):
            told = {"dagster/partition_row_count": rows.get(key, 0)}
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=told))


def _asked_days(context: dg.AssetExecutionContext, model: Model) -> list[date]:
    """Days of a backfill or of a partition run by hand; none when the watermarks decide alone."""
    if model.kind != "daily" or EVERYTHING_NEW.items() <= context.run.tags.items():
        return []
    return [date.fromisoformat(key) for key in context.partition_keys]


def _column_schema(model: Model) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[dg.TableColumn(row.name, type=row.unit or "", description=row.about) for row in model.columns.values()]
    )


def _column_lineage(model: Model) -> dg.TableColumnLineage:
    """What makes each column; the tables of lake and ledger are one asset."""
    return dg.TableColumnLineage(
        {
            column: [_column_dep(*source.split(".")) for source in sources if "." in source]
            for column, sources in load_lineage()[model.name].items()
        }
    )


def _column_dep(table: str, column: str) -> dg.TableColumnDep:
    if table.startswith(("lake_", "load_")):
        return dg.TableColumnDep(dg.AssetKey("lake"), f"{table}.{column}")
    return dg.TableColumnDep(dg.AssetKey(table), column)


MODELS: Mapping[str, Model] = load_models()
MODEL_ASSETS = [model_asset(model) for model in MODELS.values()]


@dg.asset(
    name=SNAPSHOT,
    group_name="published",
    deps=[name for name, model in MODELS.items() if model.is_public],
    kinds={"duckdb"},
    pool=POOL,
    freshness_policy=_fresh_within(26),
)
def published_snapshot(workshop: Workshop) -> dg.MaterializeResult:
    """What every reader sees: all public tables in one new file, swapped in at once."""
    began = time.monotonic()
    path = snapshot.publish(workshop.builder)
    return dg.MaterializeResult(
        metadata={
            "file": path.name,
            "bytes": path.stat().st_size,
            "load_seq": workshop.catalog.load_seq,
            "seconds": _since(began),
        }
    )


@dg.asset(
    name="alerts",
    group_name="told",
    deps=[SNAPSHOT],
    pool=POOL,
    check_specs=[dg.AssetCheckSpec("all_delivered", asset="alerts", description="no message was refused")],
)
def alerts(workshop: Workshop) -> dg.MaterializeResult:
    """Budgets passed, budgets forecast to be passed, runaway sessions: each raised once and delivered once."""
    from meterhouse.alerts import find_and_deliver, undelivered

    lines = find_and_deliver(workshop.data_dir, workshop.storage.destination, read_settings())
    waiting = undelivered(workshop.data_dir)
    verdict = dg.AssetCheckResult(
        passed=waiting == 0,
        severity=dg.AssetCheckSeverity.WARN,
        check_name="all_delivered",
        metadata={"waiting": waiting},
    )
    return dg.MaterializeResult(metadata={"told": lines}, check_results=[verdict])


@dg.asset(name="weekly_report", group_name="told", deps=[SNAPSHOT], pool=POOL)
def weekly_report(workshop: Workshop) -> dg.MaterializeResult:
    """The report of the last complete ISO week, mailed once when a mail server is set."""
    from meterhouse import report

    settings, data = read_settings(), workshop.data_dir
    week = (datetime.now(UTC).date() - timedelta(days=7)).strftime("%G-W%V")
    files = report.build(data, week, data.root / "reports", settings.dashboard_url)
    sent = (
        report.send(data, week, workshop.storage.destination, settings)
        if settings.mail_host
        else ["no mail server is set"]
    )
    return dg.MaterializeResult(metadata={"week": week, "files": [str(file) for file in files], "sent": sent})


AUDITED = {f"{table}_is_as_promised": table for table in tables()}


@dg.asset(
    name="audit",
    group_name="told",
    deps=[SNAPSHOT],
    kinds={"greatexpectations"},
    check_specs=[
        dg.AssetCheckSpec(name, asset="audit", description=f"expectations on {table}")
        for name, table in AUDITED.items()
    ],
)
def audit(workshop: Workshop) -> dg.MaterializeResult:
    """A second engine's opinion on the promises of contract and model headers, over what was loaded since its last look."""
    done = run_audit(workshop.data_dir)
    found = {row.table: row for row in done.tables}
    verdicts = [
        dg.AssetCheckResult(
            passed=not (row and row.failed),
            check_name=name,
            metadata={"rows": row.rows, "failed": list(row.failed)} if row else {"rows": 0},
        )
        for name, table in AUDITED.items()
        for row in [found.get(table)]
    ]
    expectations = sum(row.expectations for row in done.tables)
    metadata = {"expectations": expectations, "seconds": done.seconds, "data_docs": str(workshop.data_dir.audit_docs)}
    return dg.MaterializeResult(metadata=metadata, check_results=verdicts)
