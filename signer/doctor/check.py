"""One thing that was looked at: how it is, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from signer.errors import SignerError
from signer.github.masking import redact


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the doctor's table.

    Attributes:
        name: stable, in kebab-case; docs/doctor.md lists them.
        status: how it is.
        detail: what was found, or why nothing could be; may have several lines.
        fix: what to do; empty where there is nothing to be done.
        code: of the error that signing would end with; empty unless it failed.
        exit_code: that error's; 0 unless it failed.
    """

    name: str
    status: Status
    detail: str
    fix: str = ""
    code: str = ""
    exit_code: int = 0

    def redacted(self, secrets: list[str]) -> "Check":
        """The same with every secret cut from what people read."""
        return replace(self, detail=redact(self.detail, secrets), fix=redact(self.fix, secrets))


def ok(name: str, detail: str) -> Check:
    """All is well."""
    return Check(name, Status.OK, detail)


def warn(name: str, detail: str, *, fix: str) -> Check:
    """Signing works, but somebody should know this."""
    return Check(name, Status.WARN, detail, fix)


def skip(name: str, why: str, *, fix: str = "") -> Check:
    """Not looked at.

    Args:
        name: the check.
        why: what is in the way.
        fix: what would let it be looked at, where that is sensible.
    """
    return Check(name, Status.SKIP, why, fix)


def fail(name: str, error: SignerError, detail: str = "") -> Check:
    """Signing would end with this error.

    Args:
        name: the check.
        error: its code, remedy and exit code are taken.
        detail: in place of the error's message.
    """
    return Check(name, Status.FAIL, detail or error.message, error.fix, error.code, error.exit_code)


def exit_code(checks: Iterable[Check]) -> int:
    """The process's exit code: the highest of the failed checks; 0 where none failed."""
    return max((check.exit_code for check in checks), default=0)
