"""The corrected AWS, as a process of its own, once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.aws.cloud import Cloud, running_server
from tests.peers import require

EVENTS = b'{"decision":1}\n{"decision":2}\n'


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
    with running_server(tmp_path_factory.mktemp("aws")) as url:
        yield url


@pytest.fixture(scope="session")
def _cloud(server: str) -> Cloud:
    return Cloud(server, require("aws"))


@pytest.fixture
def cloud(_cloud: Cloud) -> Cloud:
    """The corrected AWS; calls and faults of other tests are forgotten, keys are not."""
    _cloud.forget()
    return _cloud


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """A small audit file."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(EVENTS)
    return path


@pytest.fixture(params=["aws_kms_sdk", "aws_kms"])
def provider(request: pytest.FixtureRequest) -> str:
    """Each of the two providers."""
    name: str = request.param
    return name
