"""The file itself: what is not one, and what changes while it is read."""

import os
import socket
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from signer.audit import reader
from signer.audit.formats import AuditFormat
from signer.audit.reader import read_audit_file
from signer.errors import AuditFileError, UsageError
from tests.unit.audit.conftest import Read
from tests.unit.audit.reference import tree_hash

Refused = Callable[..., AuditFileError]
FORMATS = [audit_format.value for audit_format in AuditFormat]


class Short:
    """A hasher that keeps the message itself, and refuses a long one."""

    def __init__(self) -> None:
        self.message = b""

    def update(self, data: bytes | memoryview, /) -> None:
        self.message += data
        if len(self.message) > 4096:
            raise UsageError("message-too-long", "too long", fix="shorten it")

    def digest(self) -> bytes:
        return self.message


def refusal_of(path: Path) -> AuditFileError:
    with pytest.raises(AuditFileError) as caught:
        read_audit_file(path, format=AuditFormat.BYTES)
    return caught.value


def test_bytes_are_one_event(read: Read) -> None:
    content = b"\xff\x00\xef\xbb\xbf anything"
    audit = read(content, "bytes")
    assert (audit.size, audit.event_count) == (len(content), 1)
    assert audit.sha256 == sha256(content).digest()
    assert audit.merkle_root == tree_hash([content])


@pytest.mark.parametrize("audit_format", FORMATS)
def test_an_empty_file_is_refused(audit_format: str, refused: Refused) -> None:
    assert refused(b"", audit_format).code == "audit-file-empty"


@pytest.mark.parametrize("chunk_bytes", [1, 3, 7, 1 << 20])
@pytest.mark.parametrize("audit_format", FORMATS)
def test_what_starts_like_dsse_is_refused(
    audit_format: str, chunk_bytes: int, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(reader, "BLOCK_BYTES", chunk_bytes)
    content = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
    assert refused(content, audit_format).code == "audit-file-is-dsse"


@pytest.mark.parametrize("content", [b"DSSEv1", b"DSSEv2 1", b" DSSEv1 1", b"dssev1 1"])
def test_what_only_looks_like_it_is_not(content: bytes, read: Read) -> None:
    assert read(content, "bytes").event_count == 1


def test_hashers_get_the_exact_bytes(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 5)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 5)
    for parallel_bytes in (0, 1 << 30):
        monkeypatch.setattr(reader, "PARALLEL_BYTES", parallel_bytes)
        for audit_format in FORMATS:
            content = b'{"runs":\r\n []}' if audit_format != "jsonl" else b"1\r\n\n[22]\r\n"
            one, two = sha256(), Short()
            read(content, audit_format, hashers=[one, two])
            assert (one.digest(), two.digest()) == (sha256(content).digest(), content)


@pytest.mark.parametrize("parallel_bytes", [0, 1 << 30])
@pytest.mark.parametrize("audit_format", ["jsonl", "bytes"])
def test_what_a_hasher_raises_reaches_the_caller(
    audit_format: str, parallel_bytes: int, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(reader, "PARALLEL_BYTES", parallel_bytes)
    with pytest.raises(UsageError) as caught:
        read(b"1\n" * 3000, audit_format, hashers=[Short()])
    assert caught.value.code == "message-too-long"


def test_progress_is_told(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 4)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 4)
    seen: list[int] = []
    read(b"1\n2\n3\n4\n5\n", "jsonl", progress=seen.append)
    assert seen == [4, 8, 10]


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "none" / "a", Path("a\0b")):
        assert refusal_of(path).code == "audit-file-not-found"
    (tmp_path / "file").touch()
    assert refusal_of(tmp_path / "file" / "a").code == "audit-file-not-found"
    (tmp_path / "dangling").symlink_to("none")
    assert refusal_of(tmp_path / "dangling").code == "audit-file-not-found"


@pytest.mark.timeout(10)
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path in (tmp_path, tmp_path / "fifo", tmp_path / "socket", Path("/dev/zero")):
            assert refusal_of(path).code == "audit-file-not-regular"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert read_audit_file(tmp_path / "link", format=AuditFormat.BYTES).size == 1


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path, flags: int) -> int:  # root may read every file
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("signer.audit.source.os.open", deny)
    error = refusal_of(tmp_path)
    assert error.code == "audit-file-unreadable"
    assert "Permission denied" in error.message


def test_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, count: int) -> bytes:
        raise OSError(5, "Input/output error")

    path = tmp_path / "file"
    path.write_bytes(b"x")
    monkeypatch.setattr("signer.audit.source.os.read", fail)
    error = refusal_of(path)
    assert error.code == "audit-file-unreadable"
    assert "Input/output error" in error.message


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"9\n")


def truncate(path: Path) -> None:
    os.truncate(path, 6)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"7\n")


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    before = path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("audit_format", ["jsonl", "bytes"])
@pytest.mark.parametrize("parallel_bytes", [0, 1 << 30])
@pytest.mark.parametrize("change", [append, truncate, rewrite, replace, Path.unlink])
def test_a_file_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], None],
    parallel_bytes: int,
    audit_format: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 2)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 2)
    monkeypatch.setattr(reader, "PARALLEL_BYTES", parallel_bytes)
    path = tmp_path / "audit"
    path.write_bytes(b"1\n2\n3\n4\n5\n")
    os.utime(path, (1_000_000_000, 1_000_000_000))  # a clock's tick must not hide a rewrite

    def progress(done: int) -> None:
        if done == 4:
            change(path)

    with pytest.raises(AuditFileError) as caught:
        read_audit_file(path, format=AuditFormat(audit_format), progress=progress)
    assert caught.value.code == "audit-file-changed"


def test_no_descriptor_is_left_open(read: Read, refused: Refused) -> None:
    before = os.listdir("/proc/self/fd")
    read(b"1\n", "jsonl")
    refused(b"x\n", "jsonl")
    refusal_of(Path("/dev/null"))
    assert os.listdir("/proc/self/fd") == before
