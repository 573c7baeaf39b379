"""Commands and their directories: they end with the job, whatever comes in between."""

import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from signer.errors import ProviderError
from signer.process import Stopped
from signer.providers.command_line import Commands


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_directories_are_private_and_end_with_the_job(cleanup: ExitStack) -> None:
    commands = Commands(cleanup)
    with commands.directory() as one:
        assert stat.S_IMODE(one.stat().st_mode) == 0o700
        (one / "message").write_bytes(b"m")
    assert not one.exists()
    other = commands.new_directory()
    (other / "login").write_bytes(b"l")
    cleanup.close()
    assert not other.exists()


def test_a_directory_is_removed_though_a_signal_came_while_it_was_made(
    cleanup: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    real = Path.mkdir

    def mkdir(self: Path, **options: Any) -> None:
        real(self, **options)
        made.append(self)
        raise Stopped(15)

    commands = Commands(cleanup)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(Stopped):
        commands.new_directory()
    [folder] = made
    assert folder.exists()
    cleanup.close()
    assert not folder.exists()


def test_a_signal_does_not_cut_the_tidying_up_short(
    cleanup: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(cleanup)
    folders = [commands.new_directory() for _ in range(3)]
    real = shutil.rmtree
    calls: list[Path] = []

    def rmtree(path: Path, **options: Any) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise Stopped(15)
        real(path, **options)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.raises(Stopped):
        cleanup.close()
    assert not any(folder.exists() for folder in folders)


def test_what_another_thread_still_writes_is_removed_too(
    cleanup: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Commands(cleanup).new_directory()
    real = shutil.rmtree
    written: list[Path] = []

    def rmtree(path: Path, **options: Any) -> None:
        if len(written) < 4:  # as if between the removal of the files and that of the directory
            written.append(path / f"message-{len(written)}")
            written[-1].write_bytes(b"m")
            return
        real(path, **options)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    cleanup.close()
    assert not folder.exists()


def test_a_command_is_killed_at_the_end_of_the_job(
    cleanup: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            running.append(self)
            started.set()

    monkeypatch.setattr(subprocess, "Popen", Noted)
    commands = Commands(cleanup)
    codes: list[int] = []
    thread = threading.Thread(
        target=lambda: codes.append(commands.run(["/bin/sleep", "600"], {}, timeout=300).code)
    )
    thread.start()
    assert started.wait(60)
    cleanup.close()
    assert running[0].poll() == -9
    thread.join(60)
    assert codes == [-9]


def test_nothing_begins_once_the_job_is_over(cleanup: ExitStack) -> None:
    commands = Commands(cleanup)
    cleanup.close()
    with pytest.raises(ProviderError) as refusal:
        commands.run(["/bin/true"], {}, timeout=60)
    assert refusal.value.code == "command-failed"
    with pytest.raises(ProviderError), commands.directory():
        raise AssertionError("there is a directory")


def test_what_cannot_be_started_is_named(cleanup: ExitStack) -> None:
    with pytest.raises(ProviderError, match=r"/nonexistent could not be started: No such file"):
        Commands(cleanup).run(["/nonexistent"], {}, timeout=60)


def test_what_a_command_leaves_behind_ends_with_it(cleanup: ExitStack, tmp_path: Path) -> None:
    script = tmp_path / "leaves"
    script.write_text(f"#!/bin/sh\n(sleep 300; echo) & echo $! > {tmp_path}/child\n")
    script.chmod(0o755)
    # The child holds standard output open, so that the answer is waited for in vain.
    with pytest.raises(ProviderError, match="did not end within"):
        Commands(cleanup).run([str(script)], {"PATH": "/usr/bin:/bin"}, timeout=1)
    child = Path("/proc", (tmp_path / "child").read_text().strip(), "stat")
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(stat: Path) -> bool:
    """Whether a process is there and no zombie, which it stays where nobody waits for orphans."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_directory_that_could_not_be_removed_is_tried_again(
    cleanup: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = Commands(cleanup)
    with monkeypatch.context() as patch, commands.directory() as folder:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        (folder / "message").write_bytes(b"m")
    assert folder.exists()
    cleanup.close()
    assert not folder.exists()
