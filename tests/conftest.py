"""What all tests share: the sample loaded once, a Spark, and the tables that some tests print at the end."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from meterhouse.paths import DataDir

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
# no verdict may hang on how busy the machine is, or on the day's luck: look for new examples with --hypothesis-profile=search
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("steady")
FAULT = "fault"  # the same of a fault case's line in the scorecard
SCORES = {"tests": 7, "failed": 7, "rounds": 7, "lost": 6, "twice": 6, "residual": 9}
PRINTED = "printed"  # a test's record_property of this name is shown after the run, also from parallel workers


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """The sample organisation, loaded, built and published."""
    from meterhouse.run import run

    data = DataDir(tmp_path_factory.mktemp("sample") / "data")
    run(str(SAMPLE), data)
    return data


LOCAL_SPARK = {"spark.master": "local[2]", "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "2g",
               "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
               "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}  # fmt: skip


@pytest.fixture(scope="session")
def spark():
    """One Spark session for all tests, of `make test-spark`; asked for, it fails where there is no Java runtime."""
    if not os.environ.get("METERHOUSE_TEST_SPARK"):
        pytest.skip("`make test-spark` runs the models on Spark; it needs a Java runtime")
    assert shutil.which("java"), "no Java runtime: install Debian's openjdk-17-jre-headless"
    from meterhouse.spark import engine

    session = engine.session(LOCAL_SPARK)
    session.sparkContext.setLogLevel("FATAL")
    yield session
    session.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded to be read: conformance tables, scorecards."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == PRINTED:
                terminalreporter.write_line(f"\n{text}")
    _write_scorecard(terminalreporter)


def _write_scorecard(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a fault of load, publishing and orchestration, from all its tests."""
    cases: dict[str, dict] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for line in (value for name, value in report.user_properties if name == FAULT):
                case = cases.setdefault(line["id"], line | {"tests": 0, "failed": 0, "rounds": 0, "notes": set()})
                case["tests"] += 1
                case["failed"] += outcome == "failed"
                case["rounds"] += line["rounds"]
                case["notes"].add(line["note"])
                for name in ("lost", "twice", "residual"):
                    case[name] = max(case[name], line[name])
    if cases:
        terminalreporter.write_line("\nfault  tests failed rounds  lost twice residual")
    for name, case in sorted(cases.items(), key=lambda item: (item[0][0], int(item[0][1:]))):
        counts = "".join(f"{case[key]:>{width}}" for key, width in SCORES.items())
        notes = "; ".join(sorted(case["notes"] - {""}))
        terminalreporter.write_line(f"{name:5}{counts}  {case['about']}{f' ({notes})' if notes else ''}")
