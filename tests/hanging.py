"""A command line that hangs where it is told to, and what is left of it once the signer ended."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# It has a child, as command lines may: both note their ids, and neither would end by itself.
_PROGRAM = """#!/bin/sh
case " $* " in *" {word} "*)
  sleep 600 &
  printf '%s\\n' $! $$ >> {pids}
  wait
esac
exec {program} "$@"
"""


@dataclass(frozen=True)
class Hanging:
    """A wrapper round a real command line.

    Attributes:
        program: its path.
        temporary: an empty folder, for ``TMPDIR``.
    """

    program: Path
    temporary: Path

    @property
    def _pids(self) -> Path:
        return self.program.with_suffix(".pids")

    def wait_for(self, count: int, signer: "subprocess.Popen[str]") -> None:
        """Wait until so many of them hang."""
        deadline = time.monotonic() + 60
        while len(self._noted()) < 2 * count:
            assert signer.poll() is None, signer.communicate()
            assert time.monotonic() < deadline, "it was not called"
            time.sleep(0.02)

    def left(self) -> list[str]:
        """What there is still of them, once what was killed has had the time to go."""
        assert self._noted()
        deadline = time.monotonic() + 10
        while running := [pid for pid in self._noted() if _runs(pid)]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        return [*running, *os.listdir(self.temporary)]

    def _noted(self) -> list[str]:
        return self._pids.read_text().split() if self._pids.exists() else []


def hanging(folder: Path, program: Path, word: str) -> Hanging:
    """A command line that hangs when a word is among its arguments.

    Args:
        folder: where it is put.
        program: what it is otherwise.
        word: one whole argument.
    """
    wrapper = folder / "hanging"
    pids = wrapper.with_suffix(".pids")
    wrapper.write_text(_PROGRAM.format(word=word, pids=pids, program=program))
    wrapper.chmod(0o755)
    temporary = folder / "temporary"
    temporary.mkdir()
    return Hanging(wrapper, temporary)


def _runs(pid: str) -> bool:
    """Whether there is such a process; one that is dead and not collected yet does not count."""
    try:
        status = Path("/proc", pid, "stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
