"""The corrected AWS, as a process of its own, once a session."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.aws.cloud import ROOT, Cloud
from tests.peers import require

EVENTS = b'{"decision":1}\n{"decision":2}\n'


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("aws") / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.aws.server", str(port)],
            cwd=ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


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


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")
