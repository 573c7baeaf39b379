"""Large files: the same result with a second process, and none left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.audit import reader, worker
from signer.audit.formats import AuditFormat
from signer.audit.jsonl import LineReader
from signer.audit.lines import Reduced, reduce_lines
from signer.audit.reader import read_audit_file
from signer.errors import AuditFileError, SignerError
from tests.unit.audit.conftest import Read
from tests.unit.audit.reference import line_events, tree_hash

Refused = Callable[..., AuditFileError]


# Servers that the tests of other modules keep running.
_others: set[int] = set()


@pytest.fixture(autouse=True)
def others() -> Iterator[None]:
    _others.update(children())
    yield
    _others.clear()


def children() -> list[int]:
    with open("/proc/thread-self/children") as file:
        return [number for number in map(int, file.read().split()) if number not in _others]


def alive_in_group(group: int) -> list[str]:
    """The processes of a group but for dead ones that nobody has waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, process_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                found.append(path.parent.name)
    return found


@pytest.fixture(params=[False, True], ids=["one process", "two processes"])
def two_processes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[bool]:
    monkeypatch.setattr(reader, "PARALLEL_BYTES", 0 if request.param else 1 << 40)
    monkeypatch.setattr(worker, "can_fork", lambda: True)
    started: list[worker.Worker] = []
    enter = worker.Worker.__enter__

    def count_and_enter(self: worker.Worker) -> worker.Worker:
        started.append(self)
        return enter(self)

    monkeypatch.setattr(worker.Worker, "__enter__", count_and_enter)
    yield request.param
    assert bool(started) is request.param
    assert children() == []


lines = st.lists(
    st.sampled_from(
        [b"", b"1", b'{"a": "\xc3\xa9"}', b'"' + b"x" * 60 + b'"', b"[1, 2]", b" 3 "]
    ).flatmap(lambda line: st.sampled_from([line + b"\n", line + b"\r\n"])),
    max_size=40,
).map(b"".join)


def test_chunks_and_processes_make_no_difference(
    two_processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @settings(max_examples=60, deadline=None)
    @given(lines, st.sampled_from([b"", b"4", b"4\r"]), st.integers(1, 80))
    def check(start: bytes, end: bytes, chunk_bytes: int) -> None:
        content = start + end or b"\n"
        monkeypatch.setattr(reader, "CHUNK_BYTES", chunk_bytes)
        path = tmp_path / "audit.jsonl"
        path.write_bytes(content)
        audit = read_audit_file(path, format=AuditFormat.JSONL)
        events = line_events(content)
        assert audit.event_count == len(events)
        assert audit.merkle_root == tree_hash(events)
        assert audit.sha256 == sha256(content).digest()

    check()


def test_many_events(
    two_processes: bool, lines_of_json: bytes, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 10_000)
    audit = read(lines_of_json, "jsonl")
    assert audit.event_count == 20_000
    assert audit.merkle_root == tree_hash(line_events(lines_of_json))


def test_decisions_of_both_processes_count(
    two_processes: bool, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 1000)
    content = b'{"decision_id":"1","result":true}\n' * 1000
    audit = read(content, "jsonl", count_decisions=True)
    assert audit.decisions
    assert audit.decisions.counts == {"true": 1000}


@pytest.mark.parametrize("bad", [0, 1, 777, 1998, 1999])
@pytest.mark.parametrize(
    ("line", "code", "column"),
    [
        (b'{"a":x}', "audit-file-invalid-json", 6),
        (b'"\xff"', "audit-file-not-utf8", 2),
        (b'"\x00"', "audit-file-nul", 2),
        (b"[" * 50_000, "audit-file-too-deep", 1),
    ],
)
def test_the_first_wrong_line_is_named(
    line: bytes,
    code: str,
    column: int,
    bad: int,
    two_processes: bool,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 100)
    parts = [b"%d\r\n" % n for n in range(2000)]
    parts[bad] = line + b"\n"
    parts[-1] = parts[-1] if bad == 1999 else b"also wrong\n"
    error = refused(b"\n\n" + b"".join(parts), "jsonl")
    assert (error.code, error.line, error.column) == (code, bad + 3, column)


class _SlowWorker:
    """Takes the first lines, and has its answer only when it is waited for."""

    lines: bytes | None = None

    def takes(self, lines: bytes) -> bool:
        return self.lines is None

    def submit(self, lines: bytes, start: int) -> None:
        self.lines = lines

    def has_answer(self) -> bool:
        return False

    def answer(self) -> Reduced:
        assert self.lines
        return reduce_lines(self.lines, 0, count_decisions=False)


def test_what_waits_for_the_worker_keeps_no_text() -> None:
    line_reader = LineReader(path="a", count_decisions=False, worker=_SlowWorker())  # type: ignore[arg-type]
    kept = []

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b"1\n" * 1000
            kept.append(sum(len(part.text) for part in line_reader._parts))

    line_reader.read(chunks())
    assert max(kept) == 2000
    assert line_reader.tree.event_count == 100_000


def test_a_killed_worker_is_an_error(
    lines_of_json: bytes, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 10_000)
    monkeypatch.setattr(reader, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(worker, "can_fork", lambda: True)
    for when in (10_000, 50_000, 500_000):

        def kill(done: int, when: int = when) -> None:
            if done == when:
                (child,) = children()
                os.kill(child, signal.SIGKILL)

        with pytest.raises(SignerError) as caught:
            read(lines_of_json, "jsonl", progress=kill)
        assert (caught.value.code, caught.value.exit_code) == ("audit-worker-died", 3)
        assert children() == []


def test_without_a_second_process_one_does_it_all(
    lines_of_json: bytes, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(reader, "PARALLEL_BYTES", 0)
    monkeypatch.setattr(worker, "can_fork", lambda: True)
    monkeypatch.setattr("os.fork", refuse)
    assert read(lines_of_json, "jsonl").event_count == 20_000
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_no_fork_beside_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr("os.listdir", lambda _: ["1"])
    assert worker.can_fork()
    monkeypatch.setattr("os.listdir", lambda _: ["1", "2"])
    assert not worker.can_fork()
    monkeypatch.setattr("os.listdir", lambda _: ["1"])
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert not worker.can_fork()


# Reads argv[1] in argv[2]'s format, forever if told so, and prints the memory it took in KiB.
PROGRAM = """
import re, resource, sys
from pathlib import Path
from signer.audit.formats import AuditFormat
from signer.audit import reader, worker
worker.can_fork = lambda: True
if len(sys.argv) > 3:
    exec(sys.argv[3])
forever = "forever" in sys.argv
while True:
    audit = reader.read_audit_file(Path(sys.argv[1]), format=AuditFormat(sys.argv[2]))
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1],
          resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)
    if not forever:
        break
"""


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "audit.jsonl"
    block = (b'{"decision": "' + b"x" * 222 + b'"}\n') * 4096
    with path.open("wb") as file:
        for _ in range(128):
            file.write(block)
    return path


@pytest.mark.parametrize(("audit_format", "limit_mib"), [("jsonl", 90), ("bytes", 55)])
def test_memory_does_not_grow_with_the_file(
    audit_format: str, limit_mib: int, large_file: Path
) -> None:
    assert large_file.stat().st_size > 110 << 20
    command = [sys.executable, "-c", PROGRAM, str(large_file), audit_format]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    own, child = map(int, run.stdout.split())
    assert (own + child) >> 10 < limit_mib
    assert bool(child) is (audit_format == "jsonl")


@pytest.mark.parametrize(
    ("setup", "status"),
    [
        ("", -signal.SIGTERM),
        ("import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))", 7),
    ],
    ids=["default", "handled"],
)
@pytest.mark.parametrize("audit_format", ["jsonl", "bytes"])
def test_sigterm_stops_at_once_and_leaves_no_child(
    audit_format: str, setup: str, status: int, large_file: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(large_file), audit_format, setup, "forever"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()  # it has read the file once, and is at it again
        time.sleep(0.1)
        process.terminate()
        assert process.wait(1) == status
    deadline = time.monotonic() + 1
    while alive_in_group(process.pid):
        assert time.monotonic() < deadline, "a child was left behind"
        time.sleep(0.01)


@pytest.mark.parametrize("audit_format", ["jsonl", "bytes"])
def test_ctrl_c_stops_at_once(audit_format: str, large_file: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(large_file), audit_format, "", "forever"]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        process.wait(1)
        assert process.stderr.read().count(b"KeyboardInterrupt\n") == 1
