"""A clock that goes on by itself when somebody sleeps, and never otherwise."""

from dataclasses import dataclass, field


@dataclass
class Clock:
    """Stands in for the module ``time``.

    Attributes:
        now: seconds.
        slept: the length of each sleep, in seconds.
    """

    now: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds
