"""What a person reads while it runs: on a terminal or in a runner's log."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, TextIO

from signer.errors import AuditFileError, SettingsError, SignerError
from signer.github.commands import MAX_ANNOTATION, command, log_line
from signer.github.masking import redact, secrets_in, secrets_of


class Log(Protocol):
    """Where messages go. None of these methods raises."""

    def info(self, text: str) -> None:
        """Say one line."""

    def notice(self, title: str, text: str) -> None:
        """Say what a person should see, though nothing is wrong."""

    def warning(self, title: str, text: str) -> None:
        """Say what a person should know but need not act on."""

    def error(self, error: SignerError) -> None:
        """Say what went wrong and what to do."""

    def mask(self, secret: str) -> None:
        """Never show this secret, which was fetched after the start."""

    def redact(self, text: str) -> str:
        """The text without any secret, for what is printed elsewhere."""


class TerminalLog:
    """Plain lines on standard error."""

    def __init__(self, environ: Mapping[str, str], stream: TextIO | None = None) -> None:
        self._secrets = secrets_in(environ)
        self._stream = stream or sys.stderr

    def info(self, text: str) -> None:
        """Say one line."""
        self._print(text)

    def notice(self, title: str, text: str) -> None:  # noqa: ARG002 - for annotations
        """The text as a line."""
        self._print(text)

    def warning(self, title: str, text: str) -> None:  # noqa: ARG002 - for annotations
        """``warning: text``."""
        self._print(f"warning: {text}")

    def error(self, error: SignerError) -> None:
        """``error[CODE]: message`` and ``fix: …``, for each problem there is."""
        for problem in _problems(error):
            # A code never changes, not even where a short secret is a part of it.
            self._print(problem.message, label=f"error[{problem.code}]: ")
            self._print(f"  fix: {problem.fix}")

    def mask(self, secret: str) -> None:
        """Cut this secret from every later line."""
        self._secrets += secrets_of(secret)

    def redact(self, text: str) -> str:
        """The text without any secret."""
        return redact(text, self._secrets)

    def _print(self, text: str, label: str = "") -> None:
        with suppress(OSError):
            _write(self._stream, label + log_line(redact(text, self._secrets)))


class RunnerLog:
    """Log lines and annotations on standard output, where a runner reads commands.

    Secrets are masked first, on the same stream: streams are not ordered against each other.
    """

    def __init__(self, environ: Mapping[str, str], stream: TextIO | None = None) -> None:
        self._secrets = secrets_in(environ)
        self._stream = stream or sys.stdout
        for secret in self._secrets:
            self._print(command("add-mask", secret))

    def info(self, text: str) -> None:
        """Say one line."""
        self._print(log_line(redact(text, self._secrets)))

    def notice(self, title: str, text: str) -> None:
        """A notice annotation."""
        self._annotate("notice", text, {"title": title})

    def warning(self, title: str, text: str) -> None:
        """A warning annotation."""
        self._annotate("warning", text, {"title": title})

    def error(self, error: SignerError) -> None:
        """An error annotation for each problem, at the place in the file where there is one."""
        for problem in _problems(error):
            properties = {"title": f"policy audit: {problem.code}"}
            if isinstance(problem, AuditFileError):
                properties["file"] = problem.path
                if problem.line is not None:
                    properties |= {"line": str(problem.line), "col": str(problem.column or 1)}
            self._annotate("error", f"{problem.message}\nfix: {problem.fix}", properties)

    def mask(self, secret: str) -> None:
        """Have the runner hide this secret, and cut it from every later line."""
        for text in secrets_of(secret):
            self._secrets.append(text)
            self._print(command("add-mask", text))

    def redact(self, text: str) -> str:
        """The text without any secret."""
        return redact(text, self._secrets)

    def _annotate(self, kind: str, text: str, properties: dict[str, str]) -> None:
        clean = redact(text, self._secrets)
        message = "\n".join(log_line(line) for line in clean.split("\n"))[:MAX_ANNOTATION]
        safe = {name: log_line(value) for name, value in properties.items()}
        self._print(command(kind, message, safe))

    def _print(self, line: str) -> None:
        with suppress(OSError):
            _write(self._stream, line)


def _write(stream: TextIO, line: str) -> None:
    # In one piece, because a provider tells of its retries from several threads.
    stream.write(f"{line}\n")
    stream.flush()


def _problems(error: SignerError) -> list[SignerError]:
    return list(error.problems) if isinstance(error, SettingsError) else [error]
