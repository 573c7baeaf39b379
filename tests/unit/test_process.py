"""Signals, broken pipes, unforeseen errors and exit codes, in real processes."""

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.unit.support import EVENTS, SECRET

ROOT = Path(__file__).parents[2]
NO_KEY = "00000000-0000-0000-0000-000000000000"
_SIGNER = "from signer.cli import main; main()"


def _environ(folder: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        **more,
    }


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name != ".local"}


def _signer(
    folder: Path, *arguments: str, code: str = _SIGNER, **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=folder, env=_environ(folder, **environ), capture_output=True, text=True, check=False,
    )  # fmt: skip


_SLOW_READ = """
    import os, sys, time
    from signer.audit import source

    def read(self, size, real=source.Source._read):
        if self.size == 0:
            print("reading", file=sys.stderr, flush=True)
        time.sleep(0.01)
        return real(self, min(size, 4096))

    source.Source._read = read
    from signer.cli import main
    main()
"""
_SLOW_PROVIDER = """
    import sys, time
    from signer.providers import sha256_digest

    def sign(self, digest):
        print("reading", file=sys.stderr, flush=True)
        time.sleep(30)

    sha256_digest.Sha256Digest.sign = sign
    from signer.cli import main
    main()
"""
_SLOW_WRITE = """
    import os, sys, time
    real = os.fsync

    def fsync(descriptor):
        print("reading", file=sys.stderr, flush=True)
        time.sleep(30)

    os.fsync = fsync
    from signer.cli import main
    main()
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
@pytest.mark.parametrize(
    ("script", "count"),
    [(_SLOW_READ, 1), (_SLOW_PROVIDER, 1), (_SLOW_PROVIDER, 3), (_SLOW_WRITE, 1)],
)
def test_a_signal_stops_it_within_a_second_and_leaves_nothing(
    tmp_path: Path, script: str, count: int, number: signal.Signals, code: int
) -> None:
    for index in range(count):
        (tmp_path / f"{index}.jsonl").write_bytes(EVENTS * (60_000 if script is _SLOW_READ else 1))
    before = _names(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), "sign", "*.jsonl"],
        cwd=tmp_path, env=_environ(tmp_path), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        while "reading" not in process.stderr.readline():
            pass
        time.sleep(0.05)
        started = time.monotonic()
        os.killpg(process.pid, number)
        assert process.wait(timeout=10) == code
        assert time.monotonic() - started < 1
        assert f"stopped by {number.name}" in process.stderr.read()
    assert _names(tmp_path) == before


@pytest.mark.parametrize("suffix", [".jsonl", ".bin"])
def test_a_signal_stops_the_helpers_of_a_large_read_too(tmp_path: Path, suffix: str) -> None:
    """Large files are read with a second process or thread, which gets the signal as well."""
    path = tmp_path / f"large{suffix}"
    with path.open("wb") as file:
        for _ in range(60):
            file.write(EVENTS * 45_000)
    with subprocess.Popen(
        [sys.executable, "-c", _SIGNER, "sign", path.name],
        cwd=tmp_path, env=_environ(tmp_path), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(0.05)
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=10) == 130
        assert time.monotonic() - started < 1
        assert "Traceback" not in process.stderr.read()
    assert _names(tmp_path) == {path.name}
    deadline = time.monotonic() + 2
    while _is_there(process.pid):
        assert time.monotonic() < deadline, "a helper is still there"
        time.sleep(0.01)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_second_signal_does_not_interrupt_the_tidying_up(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(EVENTS)
    script = textwrap.dedent("""
        import os, pathlib, signal, time
        real = pathlib.Path.unlink

        def unlink(self, *arguments, **options):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
            return real(self, *arguments, **options)

        def fsync(descriptor):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

        pathlib.Path.unlink, os.fsync = unlink, fsync
        from signer.cli import main
        main()
    """)
    done = _signer(tmp_path, "sign", "a.jsonl", code=script)
    assert done.returncode == 130
    assert _names(tmp_path) == {"a.jsonl"}


@pytest.mark.parametrize("arguments", [["inspect", "a.jsonl.sigstore.json"],
                                       ["verify", "a.jsonl", "--integrity-only", "--json"],
                                       ["sign", "a.jsonl", "--overwrite"]])  # fmt: skip
@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
def test_a_reader_that_has_gone_is_no_traceback(
    tmp_path: Path, arguments: list[str], stream: str
) -> None:
    (tmp_path / "a.jsonl").write_bytes(EVENTS)
    assert _signer(tmp_path, "sign", "a.jsonl").returncode == 0
    read, write = os.pipe()
    os.close(read)
    streams = {
        name: write if stream in (name, "both") else subprocess.PIPE
        for name in ("stdout", "stderr")
    }
    done = subprocess.run(
        [sys.executable, "-c", _SIGNER, *arguments],
        cwd=tmp_path, env=_environ(tmp_path), check=False, text=True, **streams,
    )  # type: ignore[call-overload]  # fmt: skip
    os.close(write)
    assert done.returncode == (0 if stream == "stderr" else 141)
    assert "Traceback" not in (done.stderr or "")


def test_a_reader_that_has_gone_does_not_turn_a_no_into_another_code(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(EVENTS)
    _signer(tmp_path, "sign", "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(EVENTS * 2)
    for redirection in ("2>/dev/full", ">/dev/full 2>/dev/full", ">&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$0" -c "$1" verify a.jsonl --integrity-only {redirection}',
             sys.executable, _SIGNER],
            cwd=tmp_path, env=_environ(tmp_path), check=False,
        )  # fmt: skip
        assert done.returncode == 1


def test_a_full_disk_under_the_answer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(EVENTS)
    _signer(tmp_path, "sign", "a.jsonl")
    with Path("/dev/full").open("w") as full:
        for arguments in (
            ["inspect", "a.jsonl.sigstore.json"],
            ["sign", "a.jsonl", "--overwrite"],
            ["kms", "list-keys"],
        ):
            done = subprocess.run(
                [sys.executable, "-c", _SIGNER, *arguments],
                cwd=tmp_path, env=_environ(tmp_path), check=False, text=True,
                stdout=full, stderr=subprocess.PIPE,
            )  # fmt: skip
            assert done.returncode == 2
            assert "error[output-failed]: standard output" in done.stderr


@pytest.mark.parametrize("github", [[], ["--github"]])
def test_an_unforeseen_error_is_told_without_secrets(tmp_path: Path, github: list[str]) -> None:
    (tmp_path / "a.jsonl").write_bytes(EVENTS)
    script = f"""
        from signer.providers import hmac_key

        def sign(self, digest):
            raise ValueError("went wrong with {SECRET}\\n::set-env name=A::b ##[error]x")

        hmac_key.HmacKey.sign = sign
        from signer.cli import main
        main()
    """
    environ = {"POLICY_SIGNING_KEY": SECRET}
    done = _signer(tmp_path, "sign", "a.jsonl", *github, code=script, **environ)
    assert done.returncode == 70
    said = (done.stdout + done.stderr).replace(f"::add-mask::{SECRET}\n", "")
    assert SECRET not in said
    assert "an error in the signer itself: ValueError: went wrong with ***" in said
    assert "Traceback" in said
    assert "please report it" in said
    assert "\n::set-env" not in said
    assert "##[" not in said
    assert _names(tmp_path) == {"a.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["sign", "a.jsonl", "--provider", "kms"], 0, ""),
        (["verify", "a.jsonl", "--integrity-only"], 1, "bundle-not-found"),
        (["verify", "a.jsonl", "--key", "a.jsonl"], 1, "key-unreadable"),
        (["inspect", "a.jsonl"], 1, "trailing-data"),
        (["inspect", "missing"], 2, "bundle-not-found"),
        (["verify", "a.jsonl", "--key", "missing"], 2, "public-key-not-found"),
        (["verify", "a.jsonl"], 2, "trust-missing"),
        (["verify", "sha256:12", "--integrity-only"], 2, "digest-malformed"),
        (["sign", "missing.jsonl"], 2, "audit-file-not-found"),
        (["sign", "bad.jsonl"], 2, "audit-file-invalid-json"),
        (["sign", "a.jsonl", "--provider", "gcp"], 2, "setting-invalid"),
        (["sign", "a.jsonl", "--provider", ""], 2, "setting-invalid"),
        (["sign", "a.jsonl", "--algorithm", "ES256"], 2, "algorithm-not-offered"),
        (["sign", "a\nb.jsonl"], 2, "audit-file-name"),
        (["sign", "--no-such-option"], 2, "usage"),
        (["inspect", "a", "b"], 2, "usage"),
        (["sign", "a.jsonl", "--provider", "kms", "--kms-key", NO_KEY], 3, "kms-key-not-found"),
        ([], 2, "usage"),
    ],
)  # fmt: skip
def test_exit_codes(tmp_path: Path, arguments: list[str], code: int, error: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(EVENTS)
    (tmp_path / "bad.jsonl").write_bytes(b'{"a":\n')
    done = _signer(tmp_path, *arguments)
    assert done.returncode == code, done.stderr
    if error:
        assert f"error[{error}]: " in done.stderr
        assert "\n  fix: " in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_arguments_become_no_workflow_command(tmp_path: Path) -> None:
    for arguments in (
        ["inspect", "a", "x\n::error::y"],
        ["\n::error::y"],
        ["sign", "--x\n::error::y"],
    ):
        done = _signer(tmp_path, *arguments)
        assert done.returncode == 2
        assert "\n::error" not in done.stderr


_SMALL_BAR = "import signer.progress; signer.progress.LARGE_FILE = {limit}; " + _SIGNER


def _on_a_terminal(folder: Path, limit: int, *arguments: str) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _SMALL_BAR.format(limit=limit), *arguments],
        cwd=folder, env=_environ(folder), stdout=subprocess.DEVNULL, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux: the other side has gone
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    return process.wait(), said.decode()


@pytest.mark.parametrize("command", [["sign"], ["verify", "--integrity-only"]])
def test_a_progress_bar_for_large_files_on_a_terminal(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(EVENTS * 60_000)
    if command[0] == "verify":
        assert _signer(tmp_path, "sign", "a.jsonl").returncode == 0
    size = path.stat().st_size
    code, said = _on_a_terminal(tmp_path, size, command[0], "a.jsonl", *command[1:])
    assert code == 0
    assert "100% a.jsonl" in said
    assert "\r\x1b[K" in said
    # The bar is wiped: what follows the last one starts on an empty line.
    assert said.rstrip().rfind("#") < said.rfind("\r\x1b[K")


def test_no_progress_bar_for_small_files_or_without_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(EVENTS * 1000)
    code, said = _on_a_terminal(tmp_path, path.stat().st_size + 1, "sign", "a.jsonl")
    assert (code, "%" in said, "\x1b" in said) == (0, False, False)
    done = _signer(tmp_path, "sign", "a.jsonl", "--overwrite", code=_SMALL_BAR.format(limit=1))
    assert (done.returncode, "%" in done.stderr) == (0, False)


def test_the_bar_starts_at_64_mib() -> None:
    from signer.progress import LARGE_FILE

    assert LARGE_FILE == 64 * 1024 * 1024
