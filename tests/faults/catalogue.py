"""The faults of load, publishing and orchestration, by letter and number; a test says which it is by `pytest.mark.fault`."""

FAULTS = {
    "L1": "kill -9 at every statement boundary of the load, and anywhere in a run",
    "L2": "one object twice, listed twice; two loads at once",
    "L3": "a key overwritten with other content",
    "L4": "an object that vanishes between list and get, or is listed late",
    "L5": "hostile documents, strings and generated lines among good ones",
    "L6": "bombs: inflation, long lines, very many lines and keys, depth",
    "L7": "numbers that are none: -1, 2^63, 1.5, \"12\", true, NaN, 1e400",
    "L8": "broken, cut, nested and foreign compression",
    "L9": "unknown fields, kinds and versions that code learns later",
    "L10": "late day, restated day, backfill: touched days only, equal to a full rebuild",
    "L11": "damaged Parquet in the lake",
    "W1": "kill -9 and full disk during a publication",
    "W2": "readers during 100 publications",
    "W3": "restore: everything derived is rebuilt from raw objects",
    "D1": "daemon, code server and run worker killed",
    "D2": "two runs, two schedulers, a manual run during a run",
}  # fmt: skip
EMPTY = {"lost": 0, "twice": 0, "residual": 0}
WIDTHS = {"tests": 7, "failed": 7, "rounds": 7, "lost": 6, "twice": 6, "residual": 9}


def scorecard(lines: list[tuple[dict, bool]]) -> str:
    """A table of one line a fault, from the lines of all its tests and whether each failed; empty without any."""
    cases: dict[str, dict] = {}
    for line, is_failed in lines:
        case = cases.setdefault(line["id"], {**dict.fromkeys(WIDTHS, 0), "notes": set()})
        case["tests"] += 1
        case["failed"] += is_failed
        case["rounds"] += line["rounds"]
        case["notes"].add(line["note"])
        for name in EMPTY:
            case[name] = max(case[name], line[name])
    if not cases:
        return ""
    table = ["fault" + "".join(f"{name:>{width}}" for name, width in WIDTHS.items())]
    for name in (name for name in FAULTS if name in cases):
        counts = "".join(f"{cases[name][key]:>{width}}" for key, width in WIDTHS.items())
        notes = "; ".join(sorted(cases[name]["notes"] - {""}))
        table.append(f"{name:5}{counts}  {FAULTS[name]}{f' ({notes})' if notes else ''}")
    return "\n".join(table)
