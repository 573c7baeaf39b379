"""Take turns, and print what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


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
    title: str, contenders: Mapping[str, Callable[[], Sample]], *, peer: str, rounds: int
) -> None:
    """Run every contender once a round, and print a table.

    Args:
        title: what is measured.
        contenders: from a name to what runs it once.
        peer: the contender that the ratios are against.
        rounds: how many; one more is run first, and not counted.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, run in contenders.items():
            sample = run()
            if number:
                samples[name].append(sample)
    print(f"\n{title} ({rounds} rounds)")
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
