"""What all tests share: the sample loaded once, and the tables that some tests print at the end."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from meterhouse.paths import DataDir

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "sample"
# no verdict may hang on how busy the machine is, or on the day's luck: look for new examples with --hypothesis-profile=search
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("steady")
PRINTED = "printed"  # a test's record_property of this name is shown after the run, also from parallel workers


@pytest.fixture(scope="session")
def sample_data(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """The sample organisation, loaded, built and published."""
    from meterhouse.run import run

    data = DataDir(tmp_path_factory.mktemp("sample") / "data")
    run(str(SAMPLE), data)
    return data


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded to be read: conformance tables, scorecards."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == PRINTED:
                terminalreporter.write_line(f"\n{text}")
