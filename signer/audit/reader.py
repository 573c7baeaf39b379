"""Read an audit file, once: its digest, its events, their Merkle root."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from signer.audit import lines
from signer.audit.decisions import Decisions, count_document
from signer.audit.documents import document_events
from signer.audit.formats import AuditFormat
from signer.audit.merkle import LEAF_PREFIX, MerkleTree
from signer.audit.source import Source

if TYPE_CHECKING:
    from signer.crypto.hashers import Hasher

CHUNK_BYTES = 2 << 20


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
    format: AuditFormat,
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
    tree = MerkleTree()
    decisions: Decisions | None = None
    with Source(path, progress) as source:

        def chunks() -> Iterator[bytes]:
            for chunk in source.chunks(CHUNK_BYTES):
                digest.update(chunk)
                for hasher in hashers:
                    hasher.update(chunk)
                yield chunk

        if format is AuditFormat.BYTES:
            leaf = sha256(LEAF_PREFIX)
            for chunk in chunks():
                leaf.update(chunk)
            tree.add_leaves([leaf.digest()])
        elif format is AuditFormat.JSONL:
            decisions = _read_lines(path, chunks(), tree, count_decisions=count_decisions)
        else:
            text = b"".join(chunks())
            found = document_events(text, format, event_pointer, path=str(path))
            tree.add_leaves([sha256(LEAF_PREFIX + bytes(event)).digest() for event in found])
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


def _read_lines(
    path: Path, chunks: Iterator[bytes], tree: MerkleTree, *, count_decisions: bool
) -> Decisions | None:
    decisions: Decisions | None = None
    line = 1
    for text in lines.whole_lines(chunks):
        try:
            reduced = lines.reduce_lines(text, tree.event_count, count_decisions=count_decisions)
        except (ValueError, RecursionError):
            at_end = not text.endswith(b"\n")
            error = lines.first_refusal(text, path=str(path), line=line, at_end=at_end)
            if error is None:
                raise
            raise error from None
        tree.add(reduced.subtrees)
        if reduced.decisions:
            decisions = reduced.decisions.merged(decisions)
        line += text.count(b"\n")
    return decisions
