"""Files appear whole or not at all, also when the process is killed at any point."""

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from signer.errors import OutputError
from signer.files import refuse_existing, write_all

ROOT = os.geteuid() == 0


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_files_appear_and_nothing_else_stays(tmp_path: Path) -> None:
    files = {tmp_path / "a": b"1", tmp_path / "new" / "deep" / "b": b"2" * 100_000}
    write_all(files, overwrite=False)
    for path, content in files.items():
        assert path.read_bytes() == content
    assert _names(tmp_path) == {"a", "new"}
    assert _names(tmp_path / "new" / "deep") == {"b"}


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_all({tmp_path / "a": b""}, overwrite=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o666])
def test_an_overwritten_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_all({path: b"new"}, overwrite=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


def test_one_existing_file_stops_all(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(OutputError) as caught:
        write_all({tmp_path / "a": b"1", tmp_path / "b": b"2"}, overwrite=False)
    assert (caught.value.code, caught.value.exit_code) == ("output-exists", 2)
    assert str(tmp_path / "b") in caught.value.message
    assert _names(tmp_path) == {"b"}
    assert (tmp_path / "b").read_bytes() == b"old"


def test_a_file_that_appears_meanwhile_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, other = os.link, tmp_path / "b"

    def race(source: Path, target: Path, **options: bool) -> None:
        if target == other:
            other.write_bytes(b"another job's")
        real(source, target, **options)

    monkeypatch.setattr(os, "link", race)
    with pytest.raises(OutputError) as caught:
        write_all({tmp_path / "a": b"1", other: b"2"}, overwrite=False)
    assert caught.value.code == "output-exists"
    assert other.read_bytes() == b"another job's"
    assert _names(tmp_path) == {"a", "b"}


@pytest.mark.parametrize("exists", [False, True])
def test_a_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    target = tmp_path / "a"

    def no_links(*_: object, **__: object) -> None:
        if exists:
            target.write_bytes(b"another job's")
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    if exists:
        with pytest.raises(OutputError, match="already there"):
            write_all({target: b"1"}, overwrite=False)
    else:
        write_all({target: b"1"}, overwrite=False)
    assert target.read_bytes() == (b"another job's" if exists else b"1")
    assert _names(tmp_path) == {"a"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_in_the_way_is_refused(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError) as caught:
        refuse_existing([tmp_path / "a"], overwrite=overwrite)
    assert caught.value.code == "output-not-a-file"


def test_a_link_is_an_existing_file_even_where_it_leads_nowhere(tmp_path: Path) -> None:
    link = tmp_path / "a"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError):
        write_all({link: b"1"}, overwrite=False)
    assert not (tmp_path / "nowhere").exists()


def test_an_overwritten_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    link = tmp_path / "a"
    link.symlink_to(victim)
    write_all({link: b"1"}, overwrite=True)
    assert not link.is_symlink()
    assert (link.read_bytes(), victim.read_bytes()) == (b"1", b"precious")


@pytest.mark.parametrize("name", ["open", "fsync", "link"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_what_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, fail)
    if name == "link":
        monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutputError) as caught:
        write_all({tmp_path / "a": b"1", tmp_path / "b": b"2"}, overwrite=False)
    monkeypatch.undo()
    assert (caught.value.code, caught.value.exit_code) == ("output-failed", 2)
    assert os.strerror(code) in caught.value.message
    assert caught.value.fix
    assert _names(tmp_path) == set()


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_written_as_root_a_file_gets_the_owner_of_its_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 2345)
    write_all({tmp_path / "a": b"1", tmp_path / "new" / "deep" / "b": b"2"}, overwrite=False)
    for path in (tmp_path / "a", tmp_path / "new", tmp_path / "new/deep", tmp_path / "new/deep/b"):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)
    write_all({tmp_path / "a": b"3"}, overwrite=True)
    assert (tmp_path / "a").stat().st_uid == 1234


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_an_owner_that_cannot_be_given_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "not mapped")

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "chown", refuse)
    write_all({tmp_path / "new" / "a": b"1"}, overwrite=False)
    assert (tmp_path / "new" / "a").read_bytes() == b"1"


_CHILD = """
    import os, sys
    from pathlib import Path
    from signer.files import write_all

    folder, point, number, overwrite, after = sys.argv[1:]
    calls = 0
    real = getattr(os, point)

    def fail(*arguments, **options):
        global calls
        calls += 1
        if calls == int(number) and not int(after):
            os.kill(os.getpid(), 9)
        answer = real(*arguments, **options)
        if calls == int(number) and int(after):
            os.kill(os.getpid(), 9)
        return answer

    setattr(os, point, fail)
    files = {Path(folder, name): name.encode() * 50_000 for name in ("x.pub", "x.sig", "x.json")}
    write_all(files, overwrite=bool(int(overwrite)))
"""


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize(
    ("point", "number", "overwrite"),
    [
        ("open", 1, 0), ("open", 3, 0), ("fsync", 1, 0), ("fsync", 3, 0), ("fsync", 4, 0),
        ("link", 1, 0), ("link", 2, 0), ("link", 3, 0), ("unlink", 1, 0),
        ("fsync", 2, 1), ("replace", 1, 1), ("replace", 2, 1), ("replace", 3, 1),
    ],
)  # fmt: skip
def test_a_kill_at_any_point_leaves_whole_files_only(
    tmp_path: Path, point: str, number: int, overwrite: int, after: int
) -> None:
    if overwrite:
        for name in ("x.pub", "x.sig", "x.json"):
            (tmp_path / name).write_bytes(b"old")
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_CHILD), str(tmp_path), point, str(number),
         str(overwrite), str(after)],
        check=False,
    )  # fmt: skip
    # Path.unlink need not call os.unlink; then nothing was killed, and all is there.
    assert child.returncode in ((0, -signal.SIGKILL) if point == "unlink" else (-signal.SIGKILL,))
    seen = set()
    for path in tmp_path.iterdir():
        if path.name.startswith("."):
            assert path.name.endswith(".tmp")
        else:
            whole = path.name.encode() * 50_000
            assert path.read_bytes() in ((b"old", whole) if overwrite else (whole,))
            if path.read_bytes() == whole:
                seen.add(path.name)
    # The signed audit is the last to appear.
    assert "x.json" not in seen or seen == {"x.pub", "x.sig", "x.json"}
