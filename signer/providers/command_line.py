"""Run a provider's own command line: no secret and no message in its arguments, and an end.

Neither a command nor its files are there once the job has ended.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from signer.errors import ProviderError

_TRIES = 100
_KILLED_WITHIN = 5.0


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


class Commands:
    """Runs commands of one job; none of them, and no directory for them, outlives it.

    A job may end while other threads wait for a command: by a signal, by an error, or because what
    they ask for is only told in the log. Safe in many threads.

    Args:
        cleanup: what is closed at the end of the job, however it ends.
    """

    def __init__(self, cleanup: ExitStack) -> None:
        self._lock = threading.Lock()
        self._over = False
        self._folders: set[Path] = set()
        self._running: set[subprocess.Popen[bytes]] = set()
        cleanup.callback(self.close)

    def new_directory(self) -> Path:
        """A directory (0700) for what commands read; it is there until the job ends.

        Raises:
            ProviderError: ``command-failed`` once the job is over.
        """
        folder = Path(tempfile.gettempdir(), f"policy-audit-signer-{secrets.token_hex(16)}")
        with self._lock:
            self._refuse_late("a directory")
            # Noted first: a signal may come between this and the next.
            self._folders.add(folder)
            folder.mkdir(mode=0o700)
        return folder

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """`new_directory`, for one command: it is removed at the end of the context."""
        folder = self.new_directory()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():  # else it is tried again at the end of the job
                with self._lock:
                    self._folders.discard(folder)

    def run(
        self, arguments: Sequence[str], environ: Mapping[str, str], *, timeout: float
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
        process = self._start(arguments, environ)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise ProviderError(
                "command-timeout",
                f"{name} did not end within {timeout:.0f} s",
                fix="check the network between this runner and the service, or raise the time "
                "limit.",
            ) from error
        finally:
            _kill_group(process)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            with self._lock:
                self._running.discard(process)
        return Finished(process.returncode, stdout, stderr.decode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Kill what runs, remove the directories, and let nothing new begin."""
        try:
            self._end()
        finally:
            self._end()  # a signal may have interrupted it; a second one does not (signer.process)

    def _end(self) -> None:
        with self._lock:
            self._over = True
            for process in self._running:
                _kill_group(process)
            for folder in self._folders:
                # Another thread may be writing into it, for a command that will not be started.
                for _ in range(_TRIES):
                    shutil.rmtree(folder, ignore_errors=True)
                    if not folder.exists():
                        break

    def _start(
        self, arguments: Sequence[str], environ: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        started: list[subprocess.Popen[bytes] | Exception] = []

        def start() -> None:
            try:
                with self._lock:
                    self._refuse_late(arguments[0])
                    process = subprocess.Popen(
                        arguments,
                        env=dict(environ),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE,
                        start_new_session=True,
                    )
                    self._running.add(process)
                    started.append(process)
            except (OSError, ProviderError) as error:
                started.append(error)

        # A signal interrupts the main thread alone: in another one, a command that was started is
        # also noted.
        thread = threading.Thread(target=start, daemon=True)
        thread.start()
        thread.join()
        [outcome] = started
        if isinstance(outcome, OSError):
            raise ProviderError(
                "command-failed",
                f"{arguments[0]} could not be started: {outcome.strerror}",
                fix=f"check the installation of {os.path.basename(arguments[0])}.",
            ) from outcome
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _refuse_late(self, what: str) -> None:
        if self._over:
            raise ProviderError(
                "command-failed", f"the job is over, and {what} came too late", fix="run it again."
            )


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a command with its children, also those that it left behind, and wait for it."""
    import signal

    # The group keeps the command's number while it has a member; nobody else is given it so soon.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILLED_WITHIN)
