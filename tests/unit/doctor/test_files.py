"""Audit files that are found, and results that would be in the way."""

from pathlib import Path
from typing import Any

import pytest

from signer.doctor.check import Check, skip
from signer.doctor.files import audit_files, outputs
from signer.github.paths import JobPaths
from tests.unit.doctor.support import settings
from tests.unit.support import EVENTS, RecordedLog


@pytest.fixture
def folder(audit: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(audit.parent)
    return audit.parent


def _files(*lines: str, **given: Any) -> tuple[dict[Path, int], Check]:
    log = RecordedLog()
    found = audit_files(settings(audit_file=lines, **given), log)
    assert log == RecordedLog()
    return found


def _outputs(folder: Path, *files: str, container: bool = False, **given: Any) -> Check:
    before = sorted(folder.rglob("*"))
    paths = JobPaths({"GITHUB_WORKSPACE": str(folder)}, container=container)
    public_key = given.pop("public_key", True)
    names = [Path(name) for name in files]
    check = outputs(names, settings(**given), paths, public_key=public_key)
    assert sorted(folder.rglob("*")) == before
    return check


def test_none_is_named() -> None:
    assert _files() == ({}, skip("audit-files", "no audit-file is named"))


def test_they_are_found_and_counted(folder: Path) -> None:
    for number in range(4):
        (folder / f"{number}.jsonl").write_bytes(EVENTS)
    sizes, check = _files("*.jsonl")
    assert check.status == "ok"
    assert sizes[Path("audit.jsonl")] == len(EVENTS)
    assert f"0.jsonl ({len(EVENTS)} bytes)" in check.detail
    assert check.detail.endswith("and 2 more")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("nothing.jsonl", None, "audit-file-not-found"),
        ("empty.jsonl", b"", "audit-file-empty"),
        ("dsse.bin", b"DSSEv1 1 x 1 y", "audit-file-is-dsse"),
        ("a.sigstore.json", b"{}", "audit-file-is-result"),
        ("folder/", None, "audit-file-not-regular"),
    ],
)
def test_what_would_be_refused(folder: Path, name: str, content: bytes | None, code: str) -> None:
    if name.endswith("/"):
        (folder / name).mkdir()
    elif content is not None:
        (folder / name).write_bytes(content)
    sizes, check = _files("audit.jsonl", name.rstrip("/"))
    assert (sizes, check.status, check.code, check.exit_code) == ({}, "fail", code, 2)
    assert name.rstrip("/") in check.detail


def test_a_pointer_that_fits_no_format(folder: Path) -> None:
    check = _files("audit.jsonl", event_pointer="/results")[1]
    assert (check.status, check.code) == ("fail", "setting-conflict")


@pytest.mark.parametrize(
    ("said", "status"), [("warn", "warn"), ("ignore", "ok"), ("error", "fail")]
)
def test_nothing_matches(folder: Path, said: str, status: str) -> None:
    for lines in (("*.sarif",), ("audit.jsonl", "*.sarif")):
        check = _files(*lines, if_no_files_found=said)[1]
        assert check.status == status
        assert ("*.sarif" in check.detail) == (status != "ok")


def test_results_that_can_be_written(folder: Path) -> None:
    assert _outputs(folder).status == "skip"
    assert _outputs(folder, "audit.jsonl").detail == "can be written to ."
    check = _outputs(folder, output_directory=folder / "not" / "yet")
    assert (check.status, str(folder / "not" / "yet") in check.detail) == ("ok", True)


@pytest.mark.parametrize("result", ["audit.jsonl.sigstore.json", "audit.jsonl.pub"])
def test_results_in_the_way(folder: Path, result: str) -> None:
    (folder / result).touch()
    check = _outputs(folder, "audit.jsonl")
    assert (check.status, check.code, result in check.detail) == ("fail", "output-exists", True)
    assert _outputs(folder, "audit.jsonl", overwrite=True).status == "ok"
    without = _outputs(folder, "audit.jsonl", public_key=False)
    assert without.status == ("ok" if result.endswith(".pub") else "fail")


@pytest.mark.parametrize(
    ("given", "files", "code"),
    [
        ({"output_directory": "audit.jsonl"}, ["audit.jsonl"], "output-failed"),
        ({"output_directory": "audit.jsonl/below"}, [], "output-failed"),
        ({"output_directory": "out"}, ["audit.jsonl", "other/audit.jsonl"], "output-clash"),
    ],
)
def test_results_that_cannot_be_written(
    folder: Path, given: dict[str, Any], files: list[str], code: str
) -> None:
    check = _outputs(folder, *files, **given)
    assert (check.status, check.code, check.exit_code) == ("fail", code, 2)


def test_results_that_would_be_gone_with_the_container(folder: Path) -> None:
    there = folder.parent / "elsewhere"
    assert _outputs(folder, "audit.jsonl", output_directory=there).status == "ok"
    check = _outputs(folder, "audit.jsonl", container=True, output_directory=there)
    assert (check.status, check.code) == ("fail", "output-outside-job")
