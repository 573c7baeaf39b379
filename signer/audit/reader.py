"""Read an audit file, once: its digest, its events, their Merkle root."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from signer.audit.decisions import Decisions, count_document
from signer.audit.documents import document_events
from signer.audit.formats import AuditFormat
from signer.audit.jsonl import LineReader
from signer.audit.merkle import LEAF_PREFIX, MerkleTree, leaf_hashes
from signer.audit.source import Source
from signer.errors import AuditFileError

if TYPE_CHECKING:
    from signer.crypto.hashers import Hasher

# How much is read at once: the events of one chunk stay in the processor's cache. Memory is a
# small multiple of it; tests make it tiny.
CHUNK_BYTES = 256 << 10
# The same where threads hash: each piece costs them some waiting for the interpreter's lock.
BLOCK_BYTES = 2 << 20
# How many events of a document are held beside it.
_EVENTS_AT_ONCE = 4096
# Smaller files are read before a second thread or process would have started to help.
PARALLEL_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class AuditFile:
    """What was read.

    Attributes:
        path: the file, as the user named it.
        format: what it was read as.
        event_pointer: RFC 6901 pointer to its array of events, if one was given.
        size: in bytes.
        sha256: the digest of its bytes, 32 bytes.
        event_count: how many events it has.
        merkle_root: RFC 6962 tree hash of its events, 32 bytes.
        decisions: what was decided, where asked for and known; for display only.
    """

    path: Path
    format: AuditFormat
    event_pointer: str | None
    size: int
    sha256: bytes
    event_count: int
    merkle_root: bytes
    decisions: Decisions | None


def read_audit_file(
    path: Path,
    *,
    format: AuditFormat,  # noqa: A002 - as the input, the statement and AuditFile call it
    event_pointer: str | None = None,
    hashers: "Sequence[Hasher]" = (),
    count_decisions: bool = False,
    progress: Callable[[int], None] | None = None,
) -> AuditFile:
    """Read and check an audit file in one pass, in memory bounded by its largest event.

    A JSON or SARIF document is held whole.

    Args:
        path: the file.
        format: what to read it as.
        event_pointer: RFC 6901 pointer to the array of events in a ``json`` file.
        hashers: more consumers of the file's exact bytes, in order.
        count_decisions: whether to count what was decided, for the summary.
        progress: called with the number of bytes read so far.

    Raises:
        AuditFileError: the file is refused; the code says why, line and column where.
        UsageError: a hasher refused the file's bytes.
        ValueError: an event pointer for another format than ``json``.
    """
    if event_pointer is not None and format is not AuditFormat.JSON:
        raise ValueError(f"an event pointer is for json, not for {format}")
    digest = sha256()
    decisions: Decisions | None = None
    with _memory_errors(path), Source(path, progress) as source:
        if format is AuditFormat.BYTES:
            tree = _read_bytes(source, [digest, *hashers])
        elif format is AuditFormat.JSONL:
            tree, decisions = _read_lines(source, [digest, *hashers], count_decisions)
        else:
            text = b"".join(_hashed(source, [digest, *hashers]))
            tree = _read_document(text, format, event_pointer, path)
            if count_decisions:
                decisions = count_document(text, format)
        return AuditFile(
            path=path,
            format=format,
            event_pointer=event_pointer,
            size=source.size,
            sha256=digest.digest(),
            event_count=tree.event_count,
            merkle_root=tree.root(),
            decisions=decisions,
        )


def _hashed(source: Source, hashers: "Sequence[Hasher]") -> Iterator[bytes]:
    for chunk in source.chunks(CHUNK_BYTES):
        for hasher in hashers:
            hasher.update(chunk)
        yield chunk


@contextmanager
def _memory_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise AuditFileError(
            "audit-file-too-large",
            "there is not enough memory to read it",
            fix="give the job more memory, or write JSON Lines, which are read piece by piece.",
            path=str(path),
        ) from None


def _read_document(
    text: bytes, audit_format: AuditFormat, pointer: str | None, path: Path
) -> MerkleTree:
    tree = MerkleTree()
    events = document_events(text, audit_format, pointer, path=str(path))
    while some := list(islice(events, _EVENTS_AT_ONCE)):
        tree.add_leaves(leaf_hashes(some))
    return tree


def _read_bytes(source: Source, hashers: "Sequence[Hasher]") -> MerkleTree:
    """A tree of one event, the whole file."""
    leaf = sha256(LEAF_PREFIX)
    hashers = [leaf, *hashers]
    if source.expected_size < PARALLEL_BYTES:
        for _ in _hashed(source, hashers):
            pass
    else:
        from signer.audit.background import BackgroundHashers

        with BackgroundHashers(hashers) as background:
            for chunk in source.chunks(BLOCK_BYTES):
                background.update(chunk)
    tree = MerkleTree()
    tree.add_leaves([leaf.digest()])
    return tree


def _read_lines(
    source: Source, hashers: "Sequence[Hasher]", count_decisions: bool
) -> tuple[MerkleTree, Decisions | None]:
    with ExitStack() as stack:
        worker = None
        if source.expected_size >= PARALLEL_BYTES:
            from signer.audit.worker import Worker, can_fork

            if can_fork():
                with suppress(OSError):  # no process to be had: this one does it all
                    worker = Worker(
                        slot_bytes=2 * CHUNK_BYTES,
                        path=str(source.path),
                        count_decisions=count_decisions,
                    )
                    stack.enter_context(worker)
        reader = LineReader(path=str(source.path), count_decisions=count_decisions, worker=worker)
        reader.read(_hashed(source, hashers))
    return reader.tree, reader.decisions
