"""The workshop: lock, catalog and working database of one Dagster run, opened when first asked for."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from meterhouse import seeds
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.lock import run_lock
from meterhouse.orchestration import event_log, in_process
from meterhouse.paths import DataDir
from meterhouse.settings import read_settings
from meterhouse.storage import Storage

PATIENCE = 600  # seconds that a queued run waits for one from elsewhere, such as a person's `meterhouse run`


class Workshop(dg.ConfigurableResource):
    """Lock, catalog and working database of one run; settings that are left empty come from `meterhouse.toml`."""

    raw: str = ""
    data: str = ""
    _stack: contextlib.ExitStack = PrivateAttr()
    _catalog: Catalog | None = PrivateAttr(default=None)
    _builder: Builder | None = PrivateAttr(default=None)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Workshop"]:
        """Everything is opened when first asked for and closed at the end of the run."""
        with contextlib.ExitStack() as self._stack:
            if context.instance and context.run:
                self._stack.enter_context(in_process.at_work(context.instance, context.run.run_id))
                self._stack.enter_context(event_log.kept_open(context.instance))
            yield self

    @property
    def storage(self) -> Storage:
        """Where collectors ship to."""
        return Storage(self.raw or read_settings().require("storage_raw"))

    @property
    def data_dir(self) -> DataDir:
        """The data directory."""
        return DataDir(Path(self.data or read_settings().require("storage_data")))

    @property
    def catalog(self) -> Catalog:
        """The catalog, under the run lock."""
        if self._catalog is None:
            self._stack.enter_context(run_lock(self.data_dir, PATIENCE))
            self._catalog = self._stack.enter_context(Catalog(self.data_dir))
        return self._catalog

    @property
    def builder(self) -> Builder:
        """The working database, which follows what is loaded while it is open."""
        if self._builder is None:
            self._builder = self._stack.enter_context(Builder(self.catalog, seeds.read_seeds(self.storage)))
        return self._builder
