"""Which files the lines of ``audit-file`` name."""

import os
from pathlib import Path

import pytest

from signer.audit.find import Found, find_audit_files
from signer.errors import AuditFileError
from signer.job_files import find_files
from signer.settings.models import SignSettings
from tests.unit.support import RecordedLog


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = [
        *("a.jsonl", "b.jsonl", "c.json", "deep/d.jsonl", "deep/er/e.jsonl", "[x].jsonl"),
        *("a.jsonl.sigstore.json", "a.jsonl.sig", "a.jsonl.pub", ".hidden.jsonl", "x.jsonl"),
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"{}\n")
    return tmp_path


def _find(*lines: str) -> tuple[list[str], tuple[str, ...]]:
    found: Found = find_audit_files(lines)
    return [str(path) for path in found.files], found.unmatched


@pytest.mark.parametrize(
    ("lines", "files", "unmatched"),
    [
        (["a.jsonl"], ["a.jsonl"], ()),
        (["b.jsonl", "a.jsonl"], ["b.jsonl", "a.jsonl"], ()),
        (["*.jsonl"], ["[x].jsonl", "a.jsonl", "b.jsonl", "x.jsonl"], ()),
        (["?.jsonl"], ["a.jsonl", "b.jsonl", "x.jsonl"], ()),
        (["[ab].jsonl"], ["a.jsonl", "b.jsonl"], ()),
        (["[x].jsonl"], ["[x].jsonl"], ()),  # what is there is taken as it is
        (["deep/**"], ["deep/d.jsonl", "deep/er/e.jsonl"], ()),
        (["**/*.jsonl", "!deep/**"], ["[x].jsonl", "a.jsonl", "b.jsonl", "x.jsonl"], ()),
        (["*"], ["[x].jsonl", "a.jsonl", "b.jsonl", "c.json", "x.jsonl"], ()),
        (["*.jsonl", "!a.jsonl", "![[]x].jsonl"], ["b.jsonl", "x.jsonl"], ()),
        (["!a.jsonl", "?.jsonl"], ["b.jsonl", "x.jsonl"], ()),  # wherever it stands
        (["?.jsonl", "! b.jsonl"], ["a.jsonl", "x.jsonl"], ()),
        (["a.jsonl", "!./deep/../a.jsonl"], [], ()),
        (["a.jsonl", "./a.jsonl", "deep/../a.jsonl"], ["a.jsonl"], ()),
        (["a.jsonl", "*.jsonl"], ["a.jsonl", "[x].jsonl", "b.jsonl", "x.jsonl"], ()),
        (["missing.jsonl"], [], ("missing.jsonl",)),
        (["a.jsonl", "no*", "none"], ["a.jsonl"], ("no*", "none")),
        (["*.sig"], [], ("*.sig",)),
        (["a.jsonl.sigstore.json"], [], ("a.jsonl.sigstore.json",)),
        (["a.jsonl.pub", "a.jsonl.sig"], [], ("a.jsonl.pub", "a.jsonl.sig")),
        (["a.jsonl*"], ["a.jsonl"], ()),
        (["deep"], ["deep"], ()),  # refused later, by name, as no regular file
        (["!a.jsonl"], [], ()),
    ],
)
def test_lines(lines: list[str], files: list[str], unmatched: tuple[str, ...]) -> None:
    assert _find(*lines) == (files, unmatched)


def test_a_link_and_its_file_are_one_audit_file(folder: Path) -> None:
    (folder / "link.jsonl").symlink_to(folder / "a.jsonl")
    assert _find("a.jsonl", "link.jsonl")[0] == ["a.jsonl"]
    assert _find("link.jsonl", "!a.jsonl")[0] == []


def test_a_link_is_left_out_without_its_file(folder: Path) -> None:
    (folder / "z.jsonl").symlink_to("a.jsonl")
    (folder / "folder").symlink_to("deep")
    assert _find("[az].jsonl", "!z.jsonl")[0] == ["a.jsonl"]
    assert _find("deep/d.jsonl", "!folder/d.jsonl")[0] == []


@pytest.mark.timeout(10)
def test_any_depth_does_not_go_through_links(folder: Path) -> None:
    for name in ("one", "two", "deep/three"):
        (folder / name).symlink_to(folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "x.jsonl").touch()
    deep = ["deep/d.jsonl", "deep/er/e.jsonl"]
    assert _find("**/[de].jsonl")[0] == deep
    assert _find("**/**/[de].jsonl")[0] == deep
    assert _find("./**/e.jsonl")[0] == ["deep/er/e.jsonl"]
    assert _find(f"{folder}/**/e.jsonl")[0] == [f"{folder}/deep/er/e.jsonl"]
    assert _find("d*/**/e.jsonl", "**/er/**/e.jsonl")[0] == ["deep/er/e.jsonl"]
    assert _find("one/deep/**")[0] == ["one/deep/d.jsonl", "one/deep/er/e.jsonl"]  # as it says
    assert "c.json" in _find("**")[0]


def test_a_link_that_leads_nowhere_is_not_passed_over(folder: Path) -> None:
    (folder / "link.jsonl").symlink_to(folder / "missing")
    assert _find("link.jsonl")[0] == ["link.jsonl"]


def _files(*lines: str, if_none: str = "error") -> tuple[list[Path], RecordedLog]:
    log = RecordedLog()
    settings = SignSettings.model_validate({"audit-file": lines, "if-no-files-found": if_none})
    return find_files(tuple(lines), settings, log), log


@pytest.mark.parametrize(
    "lines", [["missing"], ["a.jsonl", "missing"], ["a.jsonl", "!*.jsonl"], ["!a.jsonl"]]
)
def test_no_file_is_an_error_a_warning_or_nothing(lines: list[str]) -> None:
    with pytest.raises(AuditFileError) as caught:
        _files(*lines)
    assert caught.value.code == "audit-file-not-found"
    files, log = _files(*lines, if_none="warn")
    assert len(log.warnings) == 1
    assert log.errors == []
    assert all(path.name == "a.jsonl" for path in files)
    files, log = _files(*lines, if_none="ignore")
    assert log.warnings == []


@pytest.mark.parametrize("name", ["a\nb.jsonl", "a\rb.jsonl", "\x1b[31m.jsonl", "a\tb", "a\x7fb"])
def test_a_name_with_a_control_character_is_refused_and_shown_escaped(
    folder: Path, name: str
) -> None:
    (folder / "odd").mkdir()
    (folder / "odd" / name).write_bytes(b"{}\n")
    with pytest.raises(AuditFileError) as caught:
        _files("odd/*")
    assert caught.value.code == "audit-file-name"
    assert name not in caught.value.message
    assert repr(name)[1:-1] in caught.value.message


def test_a_name_that_is_not_utf8_is_found(folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.log")
    (folder / name).write_bytes(b"x")
    assert _find("*.log")[0] == [name]
