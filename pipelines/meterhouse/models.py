"""SQL models: one file, one SELECT, its promises in the header; dependencies are found by parsing, never written.

Knows nothing of Dagster or of any particular model. A model is a `view` (staging), a `table` (built whole), `daily` (only the
days in `run_days` are replaced) or `keyed` (only keys are that changed in the model it follows).
"""

import functools
import graphlib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
import yaml
from sqlglot import exp

from meterhouse.errors import ModelError
from meterhouse.paths import models_dir

LAYERS = ("staging", "intermediate", "marts")  # a layer reads itself and those before it
PREFIXES = {"staging": ("stg_",), "intermediate": ("int_",), "marts": ("fct_", "dim_", "rpt_")}
KINDS = ("view", "table", "daily", "keyed")
HEADER_KEYS = ("description", "grain", "kind", "columns", "checks", "alarms", "owner", "public", "one_day",
               "also_known_by", "placed_by", "follows")  # fmt: skip
OUTSIDE = ("lake_", "seed_", "load_", "run_", "score_")  # tables that the runner provides
DAYS_SEEN = "days_seen"  # sorted list of days, or NULL for a key that was seen once; no column of the model
_HEADER = re.compile(r"\A\s*/\*(?P<yaml>.*?)\*/(?P<sql>.*)\Z", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """One promised column: what it says, its unit, and tests such as `not_null`, `">= 0"` or `[ok, error]`."""

    name: str
    about: str
    unit: str | None
    tests: tuple[Any, ...]


@dataclass(frozen=True)
class Model:
    """One model file, read."""

    name: str
    layer: str
    path: Path
    description: str
    grain: tuple[str, ...]
    kind: str
    columns: Mapping[str, Column]
    checks: Mapping[str, str]
    """Promises, by name: a query for the rows that break it; one such row keeps the snapshot from being published."""
    alarms: Mapping[str, str]
    """The same of what happened outside: the snapshot is published all the same, and people are told."""
    one_day: tuple[str, ...]
    """Key of a `daily` model whose rows all lie on one day; the grain, unless the header says otherwise."""
    also_known_by: tuple[str, ...]
    """Columns by each of which rows of far days may turn out to have one key, or which tell what was one key apart; NULL says nothing."""
    placed_by: str
    """The model that gave each key its day, when this one did not; it notes days that lost a key to another."""
    follows: str
    """Model that a `keyed` one is made from: rows of a key follow from its rows of that key, and from seeds."""
    is_public: bool
    """Whether readers of the snapshot get it: marts, and what explains them."""
    sql: str

    @functools.cached_property
    def reads(self) -> frozenset[str]:
        """Names of the tables it reads: other models, and what the runner provides."""
        (tree,) = _statements(self.sql)
        ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
        return frozenset(table.name for table in tree.find_all(exp.Table) if table.name and table.name not in ctes)

    @functools.cached_property
    def tells_days(self) -> bool:
        """Whether it tells of each key the days of the lake on which it was seen; the builder remembers them, readers get none."""
        (query,) = _statements(self.sql)
        return isinstance(query, exp.Query) and DAYS_SEEN in query.named_selects

    @property
    def is_by_day(self) -> bool:
        """Whether the rows of a day follow from that day alone: it holds its keys, or another model placed them."""
        return self.kind == "daily" and ("day" in self.one_day or bool(self.placed_by))

    @property
    def depends_on(self) -> frozenset[str]:
        """Names of the models it reads."""
        return frozenset(name for name in self.reads if not name.startswith(OUTSIDE))

    @property
    def fingerprint(self) -> str:
        """Changes when the file changes in a way that can change rows."""
        return hashlib.sha256(f"{self.kind}{self.grain}{self.follows}{self.sql}".encode()).hexdigest()[:16]


def read_header(path: Path, allowed: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """Header and SQL of one file; raises ModelError with the keys there are when one is misspelt."""
    found = _HEADER.match(path.read_text(encoding="utf-8"))
    if not found:
        raise ModelError(f"{path}: has no header comment; begin the file with /* description: … */")
    try:
        header = yaml.safe_load(found["yaml"])
    except yaml.YAMLError as error:
        raise ModelError(
            f"{path}: the header is no YAML ({str(error).splitlines()[0]}); quote values that hold ': '"
        ) from error
    if not isinstance(header, dict):
        raise ModelError(f"{path}: the header is no mapping; write key: value lines")
    for key in header:
        if key not in allowed:
            raise ModelError(f"{path}: unknown header key '{key}'; the keys are {', '.join(sorted(allowed))}")
    sql = found["sql"].strip().rstrip(";")
    statements = _statements(sql)
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ModelError(f"{path}: must hold one SELECT and nothing else")
    return header, sql


@functools.lru_cache(maxsize=100)
def _statements(sql: str) -> tuple[exp.Expr, ...]:
    """The trees, which nobody may change: several properties need one, and parsing is a good part of a run that finds nothing."""
    return tuple(row for row in sqlglot.parse(sql, dialect="duckdb") if row)


def read_model(path: Path) -> Model:
    """One model file, checked against the rules of its layer."""
    header, sql = read_header(path, HEADER_KEYS)
    layer = path.parent.name
    model = Model(
        name=path.stem, layer=layer, path=path, description=str(header.get("description", "")).strip(),
        grain=tuple(header.get("grain") or ()), kind=str(header.get("kind", "")), sql=sql,
        columns={name: _column(name, text) for name, text in (header.get("columns") or {}).items()},
        checks=dict(header.get("checks") or {}), alarms=dict(header.get("alarms") or {}), is_public=layer == "marts" or header.get("public") is True,
        one_day=tuple(header.get("one_day") or header.get("grain") or ()), placed_by=str(header.get("placed_by") or ""),
        also_known_by=tuple(header.get("also_known_by") or ()), follows=str(header.get("follows") or ""),
    )  # fmt: skip
    if not model.name.startswith(PREFIXES[layer]):
        raise ModelError(f"{path}: a model in {layer}/ is named {' or '.join(PREFIXES[layer])}…; rename the file")
    if model.kind not in KINDS:
        raise ModelError(f"{path}: kind is '{model.kind}'; it is one of {', '.join(KINDS)}")
    if not model.description or (not model.grain and model.kind != "view"):
        raise ModelError(f"{path}: needs a description and a grain; say what one row is")
    if model.kind == "daily" and "run_days" not in model.reads:
        raise ModelError(f"{path}: a daily model filters on run_days; add WHERE day IN (SELECT day FROM run_days)")
    if bool(model.follows) != (model.kind == "keyed"):
        raise ModelError(f"{path}: a keyed model, and no other, follows one; write kind: keyed and follows: <model>")
    if model.kind == "keyed" and not all(
        key in model.columns and "not_null" in model.columns[key].tests for key in model.grain
    ):
        raise ModelError(
            f"{path}: a keyed model has no row without its key; give the columns of its grain the test not_null"
        )
    return model


def _column(name: str, text: Any) -> Column:
    if isinstance(text, str):
        return Column(name, text, None, ())
    text = text or {}
    return Column(name, str(text.get("about", "")), text.get("unit"), tuple(text.get("tests") or ()))


@functools.cache
def load_models(root: Path | None = None) -> dict[str, Model]:
    """All models in build order; raises ModelError for unknown names, cycles, and a layer that reads a later one."""
    root = root or models_dir()
    models = {path.stem: read_model(path) for layer in LAYERS for path in sorted((root / layer).glob("*.sql"))}
    for model in models.values():
        for name in sorted(model.depends_on):
            if name not in models:
                raise ModelError(f"{model.path}: reads '{name}', which no model provides; check the spelling")
            if LAYERS.index(models[name].layer) > LAYERS.index(model.layer):
                raise ModelError(f"{model.path}: {model.layer} may not read {models[name].layer} ('{name}')")
        if model.follows:
            _require_followed(models, model)
    try:
        order = list(
            graphlib.TopologicalSorter({name: sorted(row.depends_on) for name, row in models.items()}).static_order()
        )
    except graphlib.CycleError as error:
        raise ModelError(f"{root}: models read each other in a circle: {' → '.join(error.args[1])}") from error
    return {name: models[name] for name in order}


def _require_followed(models: Mapping[str, Model], model: Model) -> None:
    """Rows of a key may follow from rows of that key and from seeds alone: nothing else makes a key due."""
    followed = models.get(model.follows)
    if followed is None or followed.kind != "daily" or not {*model.grain} <= {*followed.columns}:
        raise ModelError(
            f"{model.path}: follows '{model.follows}', which is no daily model with its key; name one, or make it a table"
        )
    for name in sorted(model.reads - {model.follows}):
        if not _is_of_seeds(models, name):
            raise ModelError(
                f"{model.path}: reads '{name}', whose changes make no key due; read seeds alone besides, or make it a table"
            )


def _is_of_seeds(models: Mapping[str, Model], name: str) -> bool:
    return name.startswith("seed_") or (name in models and all(_is_of_seeds(models, up) for up in models[name].reads))


def lineage_fingerprints(models: Mapping[str, Model], outside: Mapping[str, str]) -> dict[str, str]:
    """A digest a model over its own text and everything upstream; `outside` gives the digest of each seed."""
    digests: dict[str, str] = {}
    for name, model in models.items():
        parts = [model.fingerprint]
        parts += [digests[up] for up in sorted(model.depends_on)]
        parts += [outside[up] for up in sorted(model.reads - model.depends_on) if up in outside]
        digests[name] = hashlib.sha256("|".join(parts).encode()).hexdigest()[:16]
    return digests


def views_read(models: dict[str, Model], model: Model) -> list[Model]:
    """The views that the model reads, itself or through views, in build order; itself when it is one."""
    names = {model.name}
    for candidate in reversed(models.values()):
        if candidate.name in names and (candidate is model or candidate.kind == "view"):
            names |= candidate.depends_on
    return [row for row in models.values() if row.kind == "view" and row.name in names]
