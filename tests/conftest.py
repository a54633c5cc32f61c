"""What all tests share: the sample loaded once, a Spark, and the tables that some tests print at the end."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from faults.catalogue import EMPTY, FAULTS, scorecard
from meterhouse.paths import DataDir

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
# no verdict may hang on how busy the machine is, or on the day's luck: look for new examples with --hypothesis-profile=search
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("steady")
FAULT = "fault"  # the same of a fault case's line in the scorecard
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


@pytest.fixture(autouse=True)
def fault(request: pytest.FixtureRequest, record_property) -> dict:
    """Of a test that is a case of the fault catalogue: its line in the scorecard."""
    marker = request.node.get_closest_marker("fault")
    line: dict = {"id": marker and marker.args[0], "rounds": 1, "note": "", **EMPTY}
    if marker:
        assert line["id"] in FAULTS
        record_property(FAULT, line)
    return line


@pytest.fixture
def scored(fault):
    """A function that tells the scorecard more than that the case passed: rounds, lost, twice, residual, a note."""

    def tell(**found) -> None:
        fault.update(found)
        assert {name: fault[name] for name in EMPTY} == EMPTY

    return tell


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Say what failed at once, on stderr: of a run that is cut off, the summary never comes."""
    if report.failed and not os.environ.get("PYTEST_XDIST_WORKER"):
        print(f"\n{report.nodeid}: failed in {report.when}", file=sys.__stderr__, flush=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded to be read: conformance tables, scorecards."""
    lines = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == PRINTED and outcome == "passed":
                    terminalreporter.write_line(f"\n{value}")
                elif name == FAULT:
                    lines.append((value, outcome == "failed"))
    if lines:
        terminalreporter.write_line(f"\n{scorecard(lines)}")
