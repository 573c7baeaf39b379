"""Running installers: output into a log, failures as one line."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.cache import LOGS, PeerError


def logged(
    name: str,
    command: Sequence[str | Path],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command with both streams in the log of ``name``.

    Args:
        name: the log's name.
        command: program and arguments.
        timeout: seconds after which the command is ended.
        environment: variables beside the process's own.

    Raises:
        PeerError: it could not be run, failed or took too long.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    words = [str(word) for word in command]
    with log.open("wb") as file:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
                env={**os.environ, **(environment or {})},
            )
        except OSError as error:
            raise PeerError(f"{words[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise PeerError(f"{' '.join(words[:3])} took more than {timeout:.0f} s") from error
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "no output"
        raise PeerError(f"{' '.join(words[:3])} failed ({done.returncode}): {last[:200]}")


def answer(command: Sequence[str | Path], *, timeout: float = 60) -> str | None:
    """What a command printed on standard output, or nothing where it failed."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def apt_install(name: str, packages: Sequence[str]) -> None:
    """Install Debian packages, where this user may.

    Raises:
        PeerError: no root, no apt-get, or it failed.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise PeerError(f"needs {' '.join(packages)}; install it, or run as root on Debian")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    logged(f"{name}-apt-update", ["apt-get", "update"], timeout=300, environment=quiet)
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    logged(f"{name}-apt", install, timeout=600, environment=quiet)
