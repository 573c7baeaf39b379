"""A second process that checks and hashes lines, for large JSON Lines files.

Why: a million small events are a million calls into hashlib, which hold the interpreter's lock.
One process takes 1.4 s to check and hash them, two take 0.8 s (`python -m bench audit`).
The lines travel in shared memory, so that the file itself is read once, by the parent.
"""

import mmap
import os
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import NoReturn, Self

import msgspec

from signer.audit.lines import Reduced, reduce_lines
from signer.errors import SignerError

_SLOTS = 4  # one that the worker is on, and some that wait, so that it is never idle
_TASK = struct.Struct("=IQQ")  # slot, length of the lines in it, index of their first event
_ANSWER_BYTES = 1 << 16  # an answer is some 64 subtrees of 32 bytes, and a few counts
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def can_fork() -> bool:
    """Whether a second process is of use, and forking is safe: this process has one thread."""
    return (
        sys.platform == "linux"
        and len(os.sched_getaffinity(0)) > 1
        and len(os.listdir("/proc/self/task")) == 1
    )


class Worker:
    """The second process, from the parent's side; a context manager that ends it.

    It ends too when the parent dies, because its socket is then closed.

    Args:
        slot_bytes: how many bytes of lines it takes at once.
        path: the audit file, for messages.
        count_decisions: whether to count what was decided.

    Raises:
        OSError: there is no memory, or no process, to be had.
    """

    def __init__(self, *, slot_bytes: int, path: str, count_decisions: bool) -> None:
        self._path = path
        self._slot_bytes = slot_bytes
        self._memory = mmap.mmap(-1, _SLOTS * slot_bytes)
        self._busy: deque[int] = deque()
        self._free = deque(range(_SLOTS))
        # Sequenced packets keep the bounds of messages, and tell when the other side is gone.
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A signal between the fork and the next lines must not find half a worker.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._process = os.fork()
            if self._process == 0:
                self._socket.close()
                _serve(other, self._memory, slot_bytes, count_decisions, mask)
        except OSError:
            self._socket.close()
            raise
        finally:
            other.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()
        os.kill(self._process, signal.SIGKILL)  # it holds nothing that could be left half-done
        os.waitpid(self._process, 0)
        self._memory.close()

    def takes(self, lines: bytes) -> bool:
        """Whether it has room for these lines now."""
        return bool(self._free) and len(lines) <= self._slot_bytes

    def submit(self, lines: bytes, start: int) -> None:
        """Hand over some lines that it `takes`.

        Raises:
            SignerError: ``audit-worker-died``.
        """
        slot = self._free.popleft()
        offset = slot * self._slot_bytes
        self._memory[offset : offset + len(lines)] = lines
        try:
            self._socket.send(_TASK.pack(slot, len(lines), start))
        except OSError:
            raise self._died() from None
        self._busy.append(slot)

    def has_answer(self) -> bool:
        """Whether `answer` would return at once."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            raise self._died() from None
        return True

    def answer(self) -> Reduced | None:
        """Wait for the answer to the oldest lines it has; None if it refused them.

        Raises:
            SignerError: ``audit-worker-died``.
        """
        try:
            answer = self._socket.recv(_ANSWER_BYTES)
        except OSError:
            raise self._died() from None
        if not answer:
            raise self._died()
        self._free.append(self._busy.popleft())
        return msgspec.msgpack.decode(answer, type=Reduced | None)

    def _died(self) -> SignerError:
        return SignerError(
            "audit-worker-died",
            f"{self._path}: the process that helps to read the file was killed",
            fix="see whether the job ran out of memory, and run it again.",
        )


def _serve(
    parent: socket.socket,
    memory: mmap.mmap,
    slot_bytes: int,
    count_decisions: bool,
    mask: Iterable[int],
) -> NoReturn:
    """The second process: answer until the parent closes its end."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        while task := parent.recv(_TASK.size):
            slot, length, start = _TASK.unpack(task)
            offset = slot * slot_bytes
            lines = memory[offset : offset + length]
            try:
                reduced = reduce_lines(lines, start, count_decisions=count_decisions)
            except (ValueError, RecursionError):
                reduced = None
            parent.send(msgspec.msgpack.encode(reduced))
    except BrokenPipeError:
        pass  # the parent is gone
    finally:
        os._exit(0)  # nothing of the parent's may run here: no handler, no cleanup, no output
