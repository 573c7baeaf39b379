"""What all tests share: a missing peer is a skip, or a failure where peers are required."""

from collections.abc import Generator

import pytest

from tests.peers import SKIP_PREFIX, required


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test whose peer is missing into a failure (``REQUIRE_PEERS=1``)."""
    report = yield
    _insist(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that is skipped as a whole."""
    report = yield
    _insist(report)
    return report


def _insist(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome != "skipped" or not required():
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if reason.removeprefix("Skipped: ").startswith(SKIP_PREFIX):
        report.outcome = "failed"
        report.longrepr = f"{reason} (REQUIRE_PEERS=1)"
