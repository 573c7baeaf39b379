"""What all tests share: an environment of their own, and what a missing peer comes to.

A test whose peer is missing is skipped; where peers are required, it fails.
"""

import os
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from tests.peers import SKIP_PREFIX, require, required

# What a runner, a cloud's command line or this project's user may have set.
_FOREIGN = ("ACTIONS_", "AWS_", "AZURE_", "GITHUB_", "INPUT_", "POLICY_", "RUNNER_")


# How long one example takes says nothing on a busy machine; pytest's own timeout ends what hangs.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """``@pytest.mark.peer(NAME)``: the test needs the peer; see `tests.peers.require`."""
    for mark in item.iter_markers("peer"):
        require(*mark.args)


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting of this machine reaches a test, and no test the keys of this user."""
    with pytest.MonkeyPatch.context() as environ:
        for name in list(os.environ):
            if name.startswith(_FOREIGN):
                environ.delenv(name)
        environ.delenv("CI", raising=False)
        environ.delenv("SOURCE_DATE_EPOCH", raising=False)
        environ.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


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
