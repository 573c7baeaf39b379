"""What looking at a key gives, whoever holds it."""

from dataclasses import dataclass, field
from datetime import datetime

from signer.doctor.check import Check, skip
from signer.providers import Provider


@dataclass(slots=True)
class Findings:
    """What was found of a key, so far.

    Attributes:
        dated: whether signing asks when the key was made, because a rule limits its age.
        checks: in the order of the table.
        provider: the key, ready to sign; None where signing could not have it.
        created: when the key was made (aware); None where that is not known.
        no_age: why it is not known.
        ahead: seconds that the service's clock is ahead of ours, where it told the time.
        clock: whose clock that is.
    """

    dated: bool = False
    checks: list[Check] = field(default_factory=list)
    provider: Provider | None = None
    created: datetime | None = None
    no_age: str = "see above"
    ahead: float | None = None
    clock: str = ""

    def add(self, *checks: Check) -> None:
        """Add lines to the table."""
        self.checks += checks

    def skip_rest(self, why: str, *names: str) -> None:
        """Add checks that could not be made."""
        self.checks += [skip(name, why) for name in names]
