"""What a job's runner gives: the workspace, and the files that outputs and summary go to."""

import os
from collections.abc import Mapping
from pathlib import Path

from signer.doctor.check import Check, fail, ok, skip, warn
from signer.errors import OutputError
from signer.github.run import on_runner

_OWN_STEP = "run this in a job's own step; in a container of your own,"
_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")


def runner_checks(environ: Mapping[str, str]) -> list[Check]:
    """``workspace`` and ``runner-files``; nothing is written to find out.

    Args:
        environ: the step's environment.
    """
    if not on_runner(environ):
        why = "this is no GitHub Actions job (GITHUB_ACTIONS is not true)"
        return [skip("workspace", why), skip("runner-files", why)]
    return [_workspace(environ), _runner_files(environ)]


def _workspace(environ: Mapping[str, str]) -> Check:
    said = environ.get("GITHUB_WORKSPACE", "")
    if os.path.isdir(said):
        return ok("workspace", said)
    return warn(
        "workspace",
        f"GITHUB_WORKSPACE is {said!r}, which is no directory here: paths in the statement and in "
        "the outputs will not be relative to it",
        fix=f"{_OWN_STEP} mount the workspace and pass GITHUB_WORKSPACE on.",
    )


def _runner_files(environ: Mapping[str, str]) -> Check:
    if unset := [name for name in _FILES if not environ.get(name)]:
        return warn(
            "runner-files",
            f"{' and '.join(unset)} not set: nothing will be written there",
            fix=f"{_OWN_STEP} mount the runner's file commands and pass their variables on.",
        )
    for name in _FILES:
        if not can_write(Path(environ[name])):
            error = OutputError(
                "runner-file-failed",
                f"{name} names {environ[name]}, which cannot be written",
                fix=f"{_OWN_STEP} mount the runner's file commands.",
            )
            return fail("runner-files", error)
    return ok("runner-files", "step outputs and step summary can be written")


def can_write(path: Path) -> bool:
    """Whether a file can be written, or made where there is none yet; without doing so."""
    if path.exists():
        return path.is_file() and os.access(path, os.W_OK)
    return path.parent.is_dir() and can_make(path.parent)


def can_make(folder: Path) -> bool:
    """Whether files can be made in a folder, which may itself have to be made."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
