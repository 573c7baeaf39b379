"""Hostile documents: how much memory they take, how deep they may be, how soon a signal is seen."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from signer.audit.syntax import MAX_DEPTH
from signer.errors import AuditFileError
from tests.unit.audit.conftest import Read
from tests.unit.audit.reference import tree_hash

Refused = Callable[..., AuditFileError]

# Reads a file as JSON, with argv[2] MiB of memory at most, and prints the refusal if there is
# one, and the memory it took in MiB beyond what the program itself takes.
PROGRAM = """
import re, resource, sys
from pathlib import Path
from signer.audit import reader
from signer.audit.formats import AuditFormat
from signer.errors import AuditFileError

def mib(what):
    return int(re.search(what + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10

before = mib("VmRSS")
limit = int(sys.argv[2]) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
code = "-"
try:
    reader.read_audit_file(Path(sys.argv[1]), format=AuditFormat.JSON)
except AuditFileError as error:
    code = error.code
print(code, mib("VmHWM") - before)
"""


def read_apart(path: Path, limit_mib: int = 4096) -> tuple[str, int]:
    command = [sys.executable, "-c", PROGRAM, str(path), str(limit_mib)]
    code, mib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return code, int(mib)


MIB = 1 << 20


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[" + b"0," * MIB + b"0]", "-"),
        (b"[" + b"[]," * (MIB // 2) + b"0]", "-"),
        (b'["' + b"\\n" * (2 * MIB) + b'"]', "-"),
        (b'{"' + b"\\n" * (2 * MIB) + b'":1,"a":1,"a":2}', "audit-file-duplicate-name"),
        (b"[" + b"0," * MIB + b'"\\ud83d"]', "audit-file-lone-surrogate"),
        (b"[" + b'{"a":0},' * (MIB // 2) + b"x]", "audit-file-invalid-json"),
    ],
    ids=["numbers", "arrays", "string", "duplicate name", "half a pair", "invalid"],
)
def test_a_document_takes_a_few_times_its_size(content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found, mib = read_apart(path)
    assert found == code
    assert mib < 12 * len(content) / MIB


def test_too_little_memory_is_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(200 * MIB)
    assert read_apart(path, 300)[0] == "audit-file-too-large"


def nested(depth: int) -> bytes:
    """An array or object that is so deep, with brackets in its strings, which do not count."""
    arrays = depth // 2
    objects = depth - arrays
    inner = b'"' + b'[{\\"' * MAX_DEPTH + b'"'
    return b'{"]}":' * objects + b"[" * arrays + inner + b"]" * arrays + b"}" * objects


@pytest.mark.parametrize("audit_format", ["jsonl", "json"])
def test_the_depth_has_one_limit_everywhere(
    audit_format: str, read: Read, refused: Refused
) -> None:
    for content in (nested(MAX_DEPTH), b"[" + b"[]," * 5000 + b"0]", b"[" * 512 + b"]" * 512):
        assert read(content, audit_format).event_count
    for content in (
        nested(MAX_DEPTH + 1),
        b"[[],[[]]," + nested(MAX_DEPTH) + b"]",
        b"[" * 513 + b"]" * 513,
    ):
        error = refused(content, audit_format)
        assert error.code == "audit-file-too-deep"
        assert str(MAX_DEPTH) in error.fix


def test_a_deep_line_among_others_is_named(refused: Refused) -> None:
    assert refused(b"1\n" * 100 + nested(513) + b"\n2\n", "jsonl").line == 101


def test_events_beyond_one_batch(read: Read) -> None:
    events = [b"%d" % n for n in range(10_000)]
    audit = read(b"[ " + b" ,\n".join(events) + b" ]", "json")
    assert audit.merkle_root == tree_hash(events)


@pytest.mark.parametrize(
    "content",
    [b"[" + b"0," * MIB + b"0]", b'{"a":[' + b"0," * (8 * MIB) + b"0]}"],
    ids=["events", "one event"],
)
def test_signals_are_seen_while_a_document_is_read(content: bytes, read: Read) -> None:
    seen = [time.monotonic()]
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(time.monotonic()))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        read(content, "json")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    gaps = [later - earlier for earlier, later in pairwise(seen)]
    assert max(gaps) < 0.5
