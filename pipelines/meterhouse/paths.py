"""Where things are: the models of a checkout or wheel, and the rooms of a data directory."""

from dataclasses import dataclass
from pathlib import Path


def models_dir() -> Path:
    """The SQL models: inside the wheel when installed, else the checkout's `models/`."""
    inside = Path(__file__).parent / "_models"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "models"


@dataclass(frozen=True)
class DataDir:
    """A data directory. Everything in it but `state/` can be deleted and rebuilt from raw objects: `meterhouse rebuild`."""

    root: Path

    @property
    def catalog(self) -> Path:
        """Ledger, quarantine, parked events and the lake's list of files: one transaction a load."""
        return self.root / "catalog.duckdb"

    @property
    def lake(self) -> Path:
        """One folder a kind, one a day, Parquet."""
        return self.root / "lake"

    @property
    def build(self) -> Path:
        """The database that models are built in; never opened by readers."""
        return self.root / "build.duckdb"

    @property
    def spark(self) -> Path:
        """What Spark was given and what it made, when it built the models: Parquet, a folder a table."""
        return self.root / "spark"

    @property
    def snapshots(self) -> Path:
        """Published databases, one file a version."""
        return self.root / "snapshots"

    @property
    def current(self) -> Path:
        """Link to the current snapshot: what reports, dashboards and `meterhouse sql` open."""
        return self.snapshots / "current.duckdb"

    @property
    def kept(self) -> Path:
        """Snapshots that reports were read from, by report; `meterhouse vacuum` bounds their number."""
        return self.root / "kept"

    @property
    def warehouse(self) -> Path:
        """Copy of the current snapshot for people and their tools, which may lock or even change it."""
        return self.root / "warehouse.duckdb"

    @property
    def shared(self) -> Path:
        """Which version of each Delta table the shared lake has."""
        return self.root / "shared.json"

    @property
    def audit(self) -> Path:
        """What Great Expectations found last, and up to which load it has looked."""
        return self.root / "audit.json"

    @property
    def audit_docs(self) -> Path:
        """Entrance to its Data Docs."""
        return self.root / "audit" / "gx" / "uncommitted" / "data_docs" / "local_site" / "index.html"

    @property
    def outbox(self) -> Path:
        """Alerts and mails, sent and due; not derivable, so it is backed up with the raw objects."""
        return self.root / "state" / "outbox.sqlite"

    @property
    def lock(self) -> Path:
        """Held by the one run that may write."""
        return self.root / "run.lock"

    @property
    def ended(self) -> Path:
        """There when the last load was ended at once by a person, and did not crash."""
        return self.root / "ended"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: runs, events, schedules."""
        return self.root / "dagster"
