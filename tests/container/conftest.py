"""Fixtures of the container tests: the built image and a runner's job."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.runner import REPOSITORY, Job
from tests.peers import SKIP_PREFIX, require
from tests.peers.cache import missing_reason
from tests.peers.commands import answer
from tests.peers.engine import CLI_IMAGE, IMAGE

# A user of the host that is not root, as the runner's own on GitHub's machines.
RUNNER_UID = 1001


@pytest.fixture(scope="session")
def image() -> str:
    """The action's image."""
    require("docker")
    if answer(["docker", "image", "inspect", IMAGE]) is None:
        pytest.skip(f"{SKIP_PREFIX}image: {missing_reason('image')}")
    return IMAGE


@pytest.fixture(scope="session")
def cli_image() -> str:
    """The second action's image."""
    require("docker")
    if answer(["docker", "image", "inspect", CLI_IMAGE]) is None:
        pytest.skip(f"{SKIP_PREFIX}cli-image: {missing_reason('cli-image')}")
    return CLI_IMAGE


@pytest.fixture
def job(image: str) -> Iterator[Job]:
    """A job whose folders belong to a user that is not root, with a real audit file."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        root.chmod(0o755)
        job = Job(root)
        shutil.copy(REPOSITORY / "examples" / "opa-decisions.jsonl", job.workspace)
        own(root)
        try:
            yield job
        finally:
            job.end()


def own(root: Path) -> None:
    """Give all folders and files to the runner's user, where this process may."""
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, RUNNER_UID, RUNNER_UID, follow_symlinks=False)
