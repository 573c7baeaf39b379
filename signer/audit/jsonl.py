"""Read a JSON Lines file piece by piece, with a second process where there is one."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from signer.audit.decisions import Decisions
from signer.audit.lines import Reduced, events, first_refusal, reduce_events, whole_lines
from signer.audit.merkle import MerkleTree

if TYPE_CHECKING:  # most files need no second process, nor what it imports
    from signer.audit.worker import Worker


@dataclass(slots=True)
class _Part:
    """Some lines on their way: where they start, and what is left of them once they are read.

    Attributes:
        text: the lines; empty once this process has reduced them.
        line: the 1-based line that they start on.
        start: the index of their first event.
        reduced: what is left of them; None until then, and where they are refused.
        worker: who is still at it.
    """

    text: bytes
    line: int
    start: int
    reduced: Reduced | None = None
    worker: "Worker | None" = None


class LineReader:
    """Takes the file's chunks in order and keeps only what `tree` and `decisions` hold.

    Args:
        path: the file, for messages.
        count_decisions: whether to count what was decided.
        worker: a second process that takes part; None to do without.
    """

    def __init__(self, *, path: str, count_decisions: bool, worker: "Worker | None") -> None:
        self.tree = MerkleTree()
        self.decisions: Decisions | None = None
        self._path = path
        self._count_decisions = count_decisions
        self._worker = worker
        self._parts: deque[_Part] = deque()

    def read(self, chunks: Iterable[bytes]) -> None:
        """Read the whole file.

        Raises:
            AuditFileError: a line is refused, always the first such line.
            SignerError: ``audit-worker-died``.
        """
        line, start = 1, 0
        for text in whole_lines(chunks):
            found, line_breaks = events(text)
            part = _Part(text, line, start)
            self._parts.append(part)
            if self._worker and self._worker.takes(text):
                self._worker.submit(text, start)
                part.worker = self._worker
            else:
                self._reduce(part, found)
            line += line_breaks
            start += len(found)
            self._settle(wait=False)
        self._settle(wait=True)

    def _reduce(self, part: _Part, found: list[bytes]) -> None:
        try:
            part.reduced = reduce_events(
                part.text, found, part.start, count_decisions=self._count_decisions
            )
        except (ValueError, RecursionError):
            part.reduced = None  # refused when its turn comes: an earlier line may be worse
        else:
            part.text = b""  # many parts may wait here for one that the worker is on

    def _settle(self, *, wait: bool) -> None:
        """Take over the parts that are read, in file order."""
        while self._parts:
            part = self._parts[0]
            if part.worker:
                if not wait and not part.worker.has_answer():
                    return
                part.reduced = part.worker.answer()
            self._take_over(self._parts.popleft())

    def _take_over(self, part: _Part) -> None:
        if part.reduced is None:
            at_end = not part.text.endswith(b"\n")
            error = first_refusal(part.text, path=self._path, line=part.line, at_end=at_end)
            if error:
                raise error
            raise RuntimeError(f"{self._path}:{part.line}: refused, but nothing is wrong with it")
        self.tree.add(part.reduced.subtrees)
        if part.reduced.decisions:
            self.decisions = part.reduced.decisions.merged(self.decisions)
