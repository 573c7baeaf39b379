"""Run a provider's own command line: no secret and no message in its arguments, and an end."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from signer.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended.

    Attributes:
        code: its exit code.
        stdout: what it printed, in bytes.
        stderr: what it said, as text; not masked yet.
    """

    code: int
    stdout: bytes
    stderr: str


def find_command(name: str, variable: str, environ: Mapping[str, str], *, fix: str) -> str:
    """The absolute path of a command line.

    Args:
        name: such as ``aws``, looked up on PATH.
        variable: such as ``AWS_CLI``: an absolute path that wins.
        environ: the environment.
        fix: what to do where there is none.

    Raises:
        ProviderError: ``command-missing``.
    """
    said = environ.get(variable, "")
    if said:
        if os.path.isabs(said) and os.access(said, os.X_OK) and os.path.isfile(said):
            return said
        raise ProviderError(
            "command-missing",
            f"{variable} is {said!r}, which is not the absolute path of a program",
            fix=f"set {variable} to the path of {name}, or unset it to find {name} on PATH.",
        )
    # A relative entry of PATH would be looked up in the workspace, where foreign files are.
    folders = [
        folder for folder in environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)
    ]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise ProviderError("command-missing", f"the command line {name} was not found", fix=fix)
    return found


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory (0700) for what a command reads; removed at the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="policy-audit-signer-") as name:
        yield Path(name)


def run_command(
    arguments: Sequence[str], environ: Mapping[str, str], *, timeout: float
) -> Finished:
    """Run a command to its end, without a shell and without standard input.

    Args:
        arguments: the program's absolute path and its arguments.
        environ: its whole environment.
        timeout: seconds after which it and its children are killed.

    Raises:
        ProviderError: ``command-timeout``, or ``command-failed`` where it cannot be started.
    """
    name = os.path.basename(arguments[0])
    try:
        process = subprocess.Popen(
            arguments,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise ProviderError(
            "command-failed",
            f"{arguments[0]} could not be started: {error.strerror}",
            fix=f"check the installation of {name}.",
        ) from error
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise ProviderError(
            "command-timeout",
            f"{name} did not end within {timeout:.0f} s",
            fix="check the network between this runner and the service, or raise the time limit.",
        ) from error
    finally:
        if process.poll() is None:
            _kill_group(process)
    return Finished(process.returncode, stdout, stderr.decode("utf-8", "backslashreplace"))


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    import signal

    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
