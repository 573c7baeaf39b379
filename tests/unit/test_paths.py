"""Paths that the next step can open, from inside and outside a container; and the run."""

import os
from pathlib import Path

import pytest

from signer.errors import OutputError
from signer.github.paths import JobPaths
from signer.github.run import on_runner, run_of


def _paths(workspace: Path, *, container: bool = False, **environ: str) -> JobPaths:
    return JobPaths({"GITHUB_WORKSPACE": str(workspace), **environ}, container=container)


def test_paths_in_the_workspace_are_relative_to_it(tmp_path: Path) -> None:
    paths = _paths(tmp_path)
    assert paths.shown(tmp_path / "a" / "b") == "a/b"
    assert paths.shown(tmp_path / "a" / ".." / "b") == "b"
    assert paths.shown(tmp_path.parent / "b") == str(tmp_path.parent / "b")


def test_a_name_beside_the_workspace_is_not_in_it(tmp_path: Path) -> None:
    paths = _paths(tmp_path / "work", container=True)
    with pytest.raises(OutputError) as caught:
        paths.check_output(tmp_path / "work-too" / "a")
    assert caught.value.code == "output-outside-job"


def test_links_do_not_lead_out_of_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = tmp_path / "work"
    workspace.mkdir()
    (workspace / "out").symlink_to(tmp_path)
    monkeypatch.chdir(workspace)
    paths = _paths(workspace, container=True)
    paths.check_output(Path("new") / "a")
    with pytest.raises(OutputError):
        paths.check_output(Path("out") / "a")
    with pytest.raises(OutputError):
        paths.check_output(Path("..") / "a")


def test_a_link_to_the_workspace_is_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "work")
    assert _paths(tmp_path / "link").shown(tmp_path / "work" / "a") == "a"


def test_outside_a_container_any_place_will_do(tmp_path: Path) -> None:
    _paths(tmp_path / "work").check_output(tmp_path / "elsewhere" / "a")


def test_the_runners_folder_for_temporary_files_is_told_as_the_host_knows_it(
    tmp_path: Path,
) -> None:
    paths = _paths(
        tmp_path,
        container=True,
        RUNNER_TEMP="/github/runner_temp",
        RUNNER_WORKSPACE="/srv/runner/_work/pay",
    )
    paths.check_output(Path("/github/runner_temp/out/a"))
    assert paths.shown(Path("/github/runner_temp/out/a")) == "/srv/runner/_work/_temp/out/a"
    with pytest.raises(OutputError):
        paths.check_output(Path("/github/home/a"))


def test_a_temporary_folder_that_is_not_mounted_ends_with_the_container(tmp_path: Path) -> None:
    paths = _paths(tmp_path / "work", container=True, RUNNER_TEMP=str(tmp_path / "temp"))
    with pytest.raises(OutputError):
        paths.check_output(tmp_path / "temp" / "a")


def test_without_a_workspace_it_is_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert JobPaths({}, container=False).workspace == Path(os.path.realpath(tmp_path))


def test_the_run_is_what_the_runner_says() -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/pay",
        "GITHUB_RUN_ID": "1",
        "GITHUB_ACTOR": "",
        "GITHUB_TOKEN": "secret",
        "RUNNER_ENVIRONMENT": "github-hosted",
        "GITHUB_RUNNER_ENVIRONMENT": "wrong",
    }
    run = run_of(environ)
    assert run is not None
    assert run.model_dump(exclude_none=True) == {
        "repository": "acme/pay",
        "run_id": "1",
        "runner_environment": "github-hosted",
    }


@pytest.mark.parametrize("value", ["", "false", "1", "True"])
def test_outside_a_runner_there_is_no_run(value: str) -> None:
    environ = {"GITHUB_ACTIONS": value, "GITHUB_REPOSITORY": "acme/pay"}
    assert not on_runner(environ)
    assert run_of(environ) is None
