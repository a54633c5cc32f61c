"""One run: load what is new, build what it touched, check it, publish it. Knows nothing of Dagster.

Each step is durable by itself, so a killed run is finished by the next one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meterhouse import checks, delta, load, seeds, snapshot
from meterhouse.build import Builder, Built
from meterhouse.catalog import Catalog
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.storage import Storage


@dataclass(frozen=True)
class Outcome:
    """What a run did; `published` is None when nothing had changed."""

    loaded: load.Loaded
    built: list[Built]
    published: Path | None

    @classmethod
    def nothing(cls) -> "Outcome":
        """The outcome of a run that found everything done."""
        return cls(load.Loaded(), [], None)

    def summary(self) -> str:
        """One line for the user."""
        loaded = self.loaded
        counts = f"{loaded.rows} events loaded, {loaded.duplicates} duplicate, {loaded.quarantined} quarantined, {loaded.parked} parked"
        tail = f"published {self.published.name}" if self.published else "nothing new to publish"
        return f"{loaded.objects} new objects: {counts}; {tail}"


def has_news(raw: str, data: DataDir) -> bool:
    """Whether a run would do anything; cheap, so that asking every minute costs nothing."""
    storage = Storage(raw)
    with run_lock(data), Catalog(data) as catalog:
        if load.is_due(storage, catalog):
            return True
        with Builder(catalog, seeds.read_seeds(storage)) as builder:
            return not builder.is_current()


def run(raw: str, data: DataDir, build_models: Callable[[Builder], list[Built]] = Builder.build_all) -> Outcome:
    """Materialise everything new once; another engine may build the models."""
    storage = Storage(raw)
    with run_lock(data), Catalog(data) as catalog:
        loaded = load.load(storage, catalog)
        delta.follow(catalog)
        with Builder(catalog, seeds.read_seeds(storage)) as builder:
            if builder.is_current():
                return Outcome(loaded, [], None)
            return Outcome(loaded, build_and_check(builder, build_models), snapshot.publish(builder))


def build_and_check(
    builder: Builder, build_models: Callable[[Builder], list[Built]] = Builder.build_all
) -> list[Built]:
    """Bring every model up to date; raises CheckError when a promise is broken."""
    built = build_models(builder)
    checks.require(checks.check_all_news(builder))
    return built
