"""The action in whole workflows, run by act: ``uses: ./`` and the steps that read its outputs."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import IO

import pytest

from tests.container.runner import REPOSITORY
from tests.peers import engine, require

WORKFLOWS = Path(__file__).parent / "workflows"
SELF_TEST = Path(".github") / "workflows" / "self-test.yml"
DOCKERFILES = {
    "Dockerfile": "policy-audit-signer:act",
    "Dockerfile.cli": "policy-audit-signer-cli:act",
}

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this working copy, for act to copy into its jobs.

    No image that was there before is used but the base: act builds anew from this clone.
    """
    require("git")
    require("docker")
    folder = tmp_path_factory.mktemp("checkout")
    listed = _git(REPOSITORY, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / "truncated.jsonl").write_text('{"result": true}\n{"result": fal')
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "remote", "add", "origin", "https://github.com/example/policies.git")
    _git(folder, "add", "--all")
    author = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    _git(folder, *author, "commit", "--quiet", "--message", "As it is")
    _fill_cache(folder, "Dockerfile")
    return folder


def test_the_self_test_workflow_passes(checkout: Path) -> None:
    """Signs, opens each path of ``files`` in the next step, verifies, and is refused as it must."""
    code, log = _act(checkout, SELF_TEST)
    assert code == 0, log
    assert log.count("Job succeeded") == 3, log
    for step in ("Read the outputs and open every file", "See that it did, and why"):
        assert re.search(rf"Success - Main {step}", log), log


def test_a_refused_audit_fails_the_job(checkout: Path) -> None:
    code, log = _act(checkout, WORKFLOWS / "must-fail.yml")
    assert code == 1, log
    assert "Failure - Main Sign a truncated audit" in log
    assert "title=policy audit%3A audit-" in log, log
    assert "Never reached" not in log
    left = {name for name in re.findall(r"\| (\S+)", log) if name.startswith("truncated")}
    assert left == {"truncated.jsonl"}


def _act(checkout: Path, workflow: Path, *options: str) -> tuple[int, str]:
    """Run a workflow's jobs on the base image; its exit code and log."""
    command = [require("act"), "push", "--rm", "--workflows", checkout / workflow]
    command += ["--platform", f"ubuntu-latest={engine.BASE_IMAGE}", "--pull=false", "--rebuild"]
    command += [
        "--network",
        "host",
        "--container-daemon-socket",
        "-",
        "--no-cache-server",
        *options,
    ]
    (checkout.parent / "config" / "act").mkdir(parents=True, exist_ok=True)
    (checkout.parent / "config" / "act" / "actrc").touch()
    done = subprocess.run(
        [str(word) for word in command],
        cwd=checkout,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=500,
        # Not this user's settings of act.
        env={**os.environ, "XDG_CONFIG_HOME": str(checkout.parent / "config")},
    )
    return done.returncode, done.stdout


def _fill_cache(checkout: Path, dockerfile: str) -> None:
    """Build what act will build, from the very context that it sends, with a network in ``RUN``.

    act builds from an archive of its job's container, whose names begin with ``./``: the engine
    takes no cached layer of a build from a folder for it. And where there is no bridge, act's own
    build has no network; where there is one, nothing is done here.
    """
    if engine.has_bridge():
        return
    container = _output(["docker", "create", engine.BASE_IMAGE, "true"]).strip()
    try:
        _output(["docker", "cp", f"{checkout}/.", f"{container}:/context"])
        with subprocess.Popen(
            ["docker", "cp", f"{container}:/context/.", "-"], stdout=subprocess.PIPE
        ) as archive:
            build = ["docker", "build", "--network=host", "--file", dockerfile]
            build += ["--tag", DOCKERFILES[dockerfile], "-"]
            _output(build, stdin=archive.stdout, DOCKER_BUILDKIT="0")
    finally:
        _output(["docker", "rm", container])


def _git(folder: Path, *arguments: str) -> str:
    return _output(["git", "-C", str(folder), *arguments], GIT_CONFIG_GLOBAL=os.devnull)


def _output(command: list[str], *, stdin: IO[bytes] | None = None, **environ: str) -> str:
    done = subprocess.run(
        command,
        stdin=stdin or subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
