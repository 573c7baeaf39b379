"""What a container leaves behind when the disk is full or the job is cancelled."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from signal import Signals

import pytest

from tests.container.runner import Job
from tests.peers.commands import answer

AUDIT = "opa-decisions.jsonl"


@pytest.fixture
def small_disk(image: str) -> Iterator[str]:
    """A volume of four pages in memory, held by a container that does what Kubernetes' do."""
    name = f"small-{uuid.uuid4().hex[:12]}"
    options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=16k,mode=0777"]
    _docker("volume", "create", *options, name)
    holder = ["--rm", "--detach", "--name", name, "--network=none", "--volume", f"{name}:/small"]
    try:
        _docker("run", *holder, "--entrypoint", "tail", image, "-f", "/dev/null")
        yield name
    finally:
        _docker("rm", "--force", name)
        _docker("volume", "rm", name)


def test_full_disk(job: Job, small_disk: str) -> None:
    inputs = {"audit-file": AUDIT, "provider": "kms", "output-directory": "small"}
    mount = ["--volume", f"{small_disk}:/github/workspace/small"]
    step = job.run(inputs, flags=mount)
    assert step.code == 0, step.log
    _docker("exec", small_disk, "sh", "-c", "rm -f /small/*; cat /dev/zero >/small/full || true")
    step = job.run(inputs, flags=mount)
    assert step.code == 2, step.log
    (error,) = step.annotations("error")
    assert error.title == "policy audit: output-failed"
    assert "No space left" in error.data
    assert "signed-audit-file" not in step.outputs
    assert _docker("exec", small_disk, "ls", "-A", "/small").split() == ["full"]


@pytest.mark.parametrize(("number", "code"), [(Signals.SIGINT, 130), (Signals.SIGTERM, 143)])
@pytest.mark.parametrize("name", ["audit.bin", "audit.jsonl"])
def test_cancelled(job: Job, name: str, number: Signals, code: int) -> None:
    """Stops within a second, in the middle of reading, and leaves nothing."""
    audit = job.workspace / name
    with audit.open("wb") as file:
        if name.endswith(".jsonl"):
            lines = b'{"decision": "allow"}\n' * 50_000
            for _ in range(300):
                file.write(lines)
        else:
            file.truncate(64 << 30)
    step = job.start({"audit-file": name, "provider": "kms"})
    seen = step.read_until("policy audit signer")
    time.sleep(1)
    sent = time.monotonic()
    step.signal(number)
    done = step.wait(seen=seen)
    took = time.monotonic() - sent
    assert done.code == code, done.log
    assert took < 1.5, f"{took:.2f} s from the signal to the end of docker run"
    assert {path.name for path in job.workspace.iterdir()} == {AUDIT, name}
    assert done.outputs == {}


def test_cancelled_before_it_began(job: Job) -> None:
    """While Python still imports, process 1 of a container has to have a handler already."""
    audit = job.workspace / "audit.bin"
    with audit.open("wb") as file:
        file.truncate(64 << 30)
    step = job.start({"audit-file": "audit.bin", "provider": "kms"})
    deadline = time.monotonic() + 30
    while not _catches(step.name, Signals.SIGTERM):
        assert time.monotonic() < deadline
    sent = time.monotonic()
    step.signal(Signals.SIGTERM)
    done = step.wait()
    assert done.code == 143, done.log
    assert time.monotonic() - sent < 1.5
    assert {path.name for path in job.workspace.iterdir()} == {AUDIT, "audit.bin"}


def _catches(container: str, number: Signals) -> bool:
    """Whether Python runs in the container and has a handler of a signal.

    See proc(5), Name and SigCgt. Until ``execve`` the first process is the container runtime's
    own, whose handlers are of no use.
    """
    pid = answer(["docker", "inspect", "--format", "{{.State.Pid}}", container])
    if pid in (None, "0"):
        return False
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        text = status.read_text()
    else:
        text = answer(["docker", "exec", container, "cat", "/proc/1/status"]) or ""
    fields = dict(line.split(":\t", 1) for line in text.splitlines())
    caught = int(fields.get("SigCgt", "0"), 16)
    return fields.get("Name", "").startswith("python") and bool(caught >> (number - 1) & 1)


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
