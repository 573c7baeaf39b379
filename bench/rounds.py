"""Take turns, and print what came of it."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_QUIET = 0.08  # what others may take, of one core
_TRIES = 4


@dataclass(frozen=True)
class Sample:
    """One run of one contender.

    Attributes:
        seconds: how long it took.
        memory: its peak resident memory in MiB, all its processes together; None if not known.
    """

    seconds: float
    memory: float | None = None


def take_turns(
    title: str,
    contenders: Mapping[str, Callable[[], Sample]],
    *,
    peer: str,
    rounds: int,
    quiet: bool = False,
) -> dict[str, list[Sample]]:
    """Run every contender once a round, and print a table.

    Args:
        title: what is measured.
        contenders: from a name to what runs it once.
        peer: the contender that the ratios are against.
        rounds: how many; one more is run first, and not counted.
        quiet: whether to run again, a few times, what ran while other processes took part of the
            machine, which is unfair to a contender that uses two cores.

    Returns:
        The samples of each contender, in the order of the rounds.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    disturbed = 0
    for number in range(rounds + 1):
        for name, run in contenders.items():
            sample, noise = _run(run)
            for _ in range(_TRIES if quiet else 0):
                if noise <= _QUIET:
                    break
                sample, noise = _run(run)
            if number:
                samples[name].append(sample)
                disturbed += noise > _QUIET
    note = f", {disturbed} runs disturbed by other processes" if quiet and disturbed else ""
    print(f"\n{title} ({rounds} rounds{note})")
    print(f"  {'':44} {'median':>9} {'best':>9} {'ratio':>7} {'memory':>9}")
    for name, runs in samples.items():
        seconds = [run.seconds for run in runs]
        ratio = median(
            run.seconds / other.seconds for run, other in zip(runs, samples[peer], strict=True)
        )
        memory = max((run.memory or 0 for run in runs), default=0)
        print(
            f"  {name:44} {median(seconds):7.3f} s {min(seconds):7.3f} s {ratio:6.2f}x"
            + (f" {memory:5.0f} MiB" if memory else "")
        )
    return samples


def _run(run: Callable[[], Sample]) -> tuple[Sample, float]:
    """A sample, and how much of a core other processes took meanwhile."""
    before, start = _busy_elsewhere(), time.perf_counter()
    sample = run()
    return sample, (_busy_elsewhere() - before) / (time.perf_counter() - start)


def _busy_elsewhere() -> float:
    """Seconds that all cores have worked since the start, but for this process and its children."""
    user, nice, system, _, _, *interrupts = map(int, _first_line("/proc/stat").split()[1:9])
    everywhere = (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return everywhere - own.user - own.system - own.children_user - own.children_system


def _first_line(path: str) -> str:
    return Path(path).read_text().partition("\n")[0]
