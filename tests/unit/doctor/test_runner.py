"""What a runner gives, looked at without writing to it."""

from pathlib import Path

import pytest

from signer.doctor.runner import can_make, can_write, runner_checks
from tests.unit.doctor.support import by_name, statuses


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for name in ("output", "summary"):
        (tmp_path / name).touch()
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }


def test_outside_a_job_there_is_nothing_to_see(environ: dict[str, str]) -> None:
    del environ["GITHUB_ACTIONS"]
    assert set(statuses(runner_checks(environ)).values()) == {"skip"}


def test_a_job(environ: dict[str, str]) -> None:
    assert statuses(runner_checks(environ)) == {"workspace": "ok", "runner-files": "ok"}
    assert Path(environ["GITHUB_OUTPUT"]).read_bytes() == b""


@pytest.mark.parametrize("workspace", ["", "/nonexistent/workspace"])
def test_a_workspace_that_is_none(environ: dict[str, str], workspace: str) -> None:
    environ["GITHUB_WORKSPACE"] = workspace
    check = by_name(runner_checks(environ))["workspace"]
    assert (check.status, repr(workspace) in check.detail) == ("warn", True)


@pytest.mark.parametrize("name", ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
def test_files_that_are_not_named_or_cannot_be_written(
    environ: dict[str, str], name: str, tmp_path: Path
) -> None:
    check = by_name(runner_checks({**environ, name: ""}))["runner-files"]
    assert (check.status, name in check.detail) == ("warn", True)
    for path in (tmp_path, tmp_path / "output" / "below-a-file"):
        check = by_name(runner_checks({**environ, name: str(path)}))["runner-files"]
        assert (check.status, check.code, check.exit_code) == ("fail", "runner-file-failed", 2)
        assert name in check.detail


def test_what_can_be_written(tmp_path: Path) -> None:
    file, dangling = tmp_path / "file", tmp_path / "dangling"
    file.touch()
    dangling.symlink_to(tmp_path / "nowhere" / "at-all")
    assert can_write(file)
    assert can_write(tmp_path / "new")
    assert not can_write(tmp_path)
    assert can_make(tmp_path)
    assert can_make(tmp_path / "a" / "b" / "c")
    assert not can_make(file)
    assert not can_make(file / "b")
    assert not can_make(dangling)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file"]


def test_a_folder_that_this_user_may_not_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # as root nothing is forbidden
    (tmp_path / "file").touch()
    assert not can_make(tmp_path)
    assert not can_write(tmp_path / "file")
