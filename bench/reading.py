"""One contender of bench.audit, as a process: reads argv[2] in the way that argv[1] names.

Prints the seconds of the reading alone, and the peak memory in KiB of this process and its child.
"""

import hashlib
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from signer.audit import lines, reader
from signer.audit.formats import AuditFormat


def ours(path: Path) -> None:
    reader.read_audit_file(path, format=AuditFormat.JSONL)


def ours_without_check(path: Path) -> None:
    lines.check_events = lambda *_: None  # what is left is splitting and hashing
    ours(path)


def ours_in_one_process(path: Path) -> None:
    reader.PARALLEL_BYTES = sys.maxsize
    ours(path)


def ours_as_bytes(path: Path) -> None:
    reader.read_audit_file(path, format=AuditFormat.BYTES)


def file_digest(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256").digest()


def plain_loop(path: Path) -> None:
    """Digest and root as one would write them at first: a stack of complete subtrees."""
    digest = hashlib.sha256()
    stack: list[bytes] = []
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            digest.update(line)
            value = hashlib.sha256(b"\x00" + line[:-1]).digest()
            while not count & 1:
                value = hashlib.sha256(b"\x01" + stack.pop() + value).digest()
                count >>= 1
            stack.append(value)
    digest.digest()


WAYS: dict[str, Callable[[Path], None]] = {
    way.__name__: way
    for way in (
        ours,
        ours_without_check,
        ours_in_one_process,
        ours_as_bytes,
        file_digest,
        plain_loop,
    )
}


def main() -> None:
    way, path = WAYS[sys.argv[1]], Path(sys.argv[2])
    start = time.perf_counter()
    way(path)
    seconds = time.perf_counter() - start
    # Not ru_maxrss of the process itself, which still knows the memory of what started it.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(seconds, child + (int(peak[1]) if peak else 0))


if __name__ == "__main__":
    main()
