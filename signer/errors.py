"""One family of errors, all of them RuntimeErrors.

Each error has a code that never changes (docs/errors.md lists them), a message that names
the offending value (never a secret), and what to do about it. The class decides the exit code.
"""

from typing import ClassVar


class SignerError(RuntimeError):
    """Something that a user can understand and mend.

    Args:
        code: stable kebab-case identifier, listed in docs/errors.md.
        message: one sentence, with the offending value; never a secret.
        fix: what to do, as one sentence.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, code: str, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix


class UsageError(SignerError):
    """Wrong use: a setting, an option, an algorithm that does not fit the key."""

    exit_code = 2


class SettingsError(UsageError):
    """One or more wrong settings, all of them found in one pass."""

    def __init__(self, problems: list[UsageError]) -> None:
        first = problems[0]
        super().__init__(first.code, first.message, fix=first.fix)
        self.problems = problems


class AuditFileError(SignerError):
    """An audit file that is refused, with the place where it is wrong.

    Args:
        path: the file, as the user named it.
        line: 1-based line, where one is known.
        column: 1-based column in characters (in bytes where the line is not UTF-8).
    """

    exit_code = 2

    def __init__(
        self,
        code: str,
        message: str,
        *,
        fix: str,
        path: str,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        place = path if line is None else f"{path}:{line}:{column or 1}"
        super().__init__(code, f"{place}: {message}", fix=fix)
        self.path = path
        self.line = line
        self.column = column


class OutputError(SignerError):
    """A result that could not be written; nothing was left half-written."""

    exit_code = 2


class ProviderError(SignerError):
    """What a signing service, the embedded KMS or a command line answered or failed to."""


class VerificationError(SignerError):
    """Not verified. ``code`` is the ``reason`` of the outputs."""

    exit_code = 1


class GateError(SignerError):
    """Refused by the gate: this run may not sign, or its identity is missing or bad."""

    exit_code = 4
