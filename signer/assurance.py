"""How much a signature proves, in order."""

from enum import StrEnum


class Assurance(StrEnum):
    """The four levels of assurance, from the weakest to the strongest."""

    DIGEST = "digest"
    SHARED_SECRET = "shared-secret"
    SOFTWARE_KEY = "software-key"
    MANAGED_KEY = "managed-key"

    def covers(self, minimum: "Assurance") -> bool:
        """Whether this level is at least ``minimum``."""
        levels = list(Assurance)
        return levels.index(self) >= levels.index(minimum)


_STRONGEST = {
    "kms": Assurance.SOFTWARE_KEY,
    "hmac": Assurance.SHARED_SECRET,
    "sha256": Assurance.DIGEST,
}


def strongest_of(provider: str) -> Assurance:
    """The most that any key of a provider gives, known before there is a key."""
    return _STRONGEST.get(provider, Assurance.MANAGED_KEY)
