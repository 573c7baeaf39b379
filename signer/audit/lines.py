"""JSON Lines: each line that is not empty is an event, without its LF and one CR before it.

As Go's bufio.ScanLines has it: the last line may lack its LF, and loses its CR all the same.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from signer.audit.decisions import Decisions, count_lines
from signer.audit.merkle import Subtree, leaf_hashes, subtrees
from signer.audit.syntax import MAX_DEPTH, check_depth, check_value, refusal
from signer.errors import AuditFileError


class Reduced(NamedTuple):
    """What is left of some lines once they are read."""

    event_count: int
    subtrees: list[Subtree]
    decisions: Decisions | None


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Regroup chunks so that each ends with LF, but perhaps the last."""
    rest: list[bytes | memoryview] = []
    for chunk in chunks:
        cut = chunk.rfind(b"\n") + 1
        if cut:
            view = memoryview(chunk)
            rest.append(view[:cut])
            yield b"".join(rest)
            rest = [view[cut:]]
        else:
            rest.append(chunk)
    if last := b"".join(rest):
        yield last


def events(lines: bytes) -> tuple[list[bytes], int]:
    """The events of some whole lines, in order, and how many line breaks are in them."""
    if b"\r" in lines:
        lines = lines.removesuffix(b"\r").replace(b"\r\n", b"\n")
    texts = lines.split(b"\n")
    return [text for text in texts if text], len(texts) - 1


def check_events(lines: bytes, found: list[bytes]) -> None:
    """Check that the events of some whole lines are JSON; raises as `reduce_events` does."""
    if not lines.isascii():
        lines.decode()
    deque(map(check_value, found), maxlen=0)
    if max(map(len, found), default=0) > 2 * MAX_DEPTH:  # rarely: an event is some 200 bytes
        deque(map(check_depth, found), maxlen=0)


def reduce_events(
    lines: bytes, found: list[bytes], start: int, *, count_decisions: bool
) -> Reduced:
    """Check the events of some whole lines, and hash them.

    Args:
        lines: whole lines; only the file's last one may lack its LF.
        found: their `events`.
        start: the index of the first of these in the whole file.
        count_decisions: whether to count what was decided, which costs as much again.

    Raises:
        ValueError: an event is not JSON, or not UTF-8.
        RecursionError: an event is nested too deeply.
    """
    check_events(lines, found)
    decisions = count_lines(found) if count_decisions else None
    return Reduced(len(found), subtrees(leaf_hashes(found), start), decisions)


def reduce_lines(lines: bytes, start: int, *, count_decisions: bool) -> Reduced:
    """The same as `reduce_events`, from the lines alone."""
    found, _ = events(lines)
    return reduce_events(lines, found, start, count_decisions=count_decisions)


def first_refusal(lines: bytes, *, path: str, line: int, at_end: bool) -> AuditFileError | None:
    """What is wrong with the first of some whole lines that is not an event; None if nothing is.

    Args:
        lines: as for `reduce_events`.
        path: the file, for the message.
        line: the 1-based line that they start on.
        at_end: whether the file ends with them.
    """
    texts = lines.split(b"\n")
    for number, text in enumerate(texts, line):
        last = number - line == len(texts) - 1  # what follows the last LF: often nothing
        event = text.removesuffix(b"\r")
        if not event:
            continue
        if error := refusal(event, path=path, line=number, at_end=at_end and last):
            return error
    return None
