"""Runs that are dangerous whatever the claims say: they carry what strangers wrote.

Source: GitHub Docs, "Events that trigger workflows" and "Secure use reference". Claims alone
allow; the event file, which the job could alter, may only refuse.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signer.errors import GateError
from signer.github.run import on_runner
from signer.small_files import read_small_file

NAMES = (
    "branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment",
    "deployment_status", "discussion", "discussion_comment", "fork", "gollum", "image_version",
    "issue_comment", "issues", "label", "merge_group", "milestone", "page_build", "public",
    "pull_request", "pull_request_review", "pull_request_review_comment", "pull_request_target",
    "push", "registry_package", "release", "repository_dispatch", "schedule", "status", "watch",
    "workflow_call", "workflow_dispatch", "workflow_run",
)  # fmt: skip

_LARGEST_EVENT = 1 << 26


def read_event(environ: Mapping[str, str]) -> dict[str, Any]:
    """The event that triggered the run; empty where it cannot be read."""
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        event = json.loads(read_small_file(Path(path), _LARGEST_EVENT))
    except (OSError, ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def dangers(claims: Mapping[str, str], event: Mapping[str, Any]) -> list[str]:
    """Why this run is dangerous, under the names that ``allow_dangerous`` takes.

    What is not known counts as dangerous.

    Args:
        claims: what is known of the run, under GitHub's claim names.
        event: the event file.
    """
    name = claims.get("event_name", "")
    found = []
    if name == "pull_request_target":
        found.append(name)
    elif name.startswith("pull_request") and _is_foreign(
        _at(event, "pull_request", "head", "repo"), claims
    ):
        found.append("pull_request_from_fork")
    if name == "workflow_run" and _is_foreign(
        _at(event, "workflow_run", "head_repository"), claims
    ):
        found.append("workflow_run_from_fork")
    hosted = claims.get("runner_environment") == "github-hosted"
    if not hosted and claims.get("repository_visibility") not in ("private", "internal"):
        found.append("self_hosted_in_public")
    return found


def is_without_secrets(environ: Mapping[str, str]) -> bool:
    """Whether GitHub withholds secrets and token from this run: a fork's or Dependabot's."""
    if not on_runner(environ):
        return False
    name = environ.get("GITHUB_EVENT_NAME", "")
    if environ.get("GITHUB_ACTOR") == "dependabot[bot]" and name != "pull_request_target":
        return True
    event = read_event(environ)
    if not name.startswith("pull_request") or name == "pull_request_target" or not event:
        return False
    claims = {"repository_id": environ.get("GITHUB_REPOSITORY_ID", "")}
    return _is_foreign(_at(event, "pull_request", "head", "repo"), claims)


def dangerous_run(names: list[str], rule: str) -> GateError:
    """The refusal of a dangerous run that a rule matches but does not name."""
    return GateError(
        "dangerous-run",
        f"this run is {', '.join(names)}, and the rule {rule!r} does not name that in "
        "allow_dangerous",
        fix="sign in a run of another event or runner; docs/gate.md says what the danger is.",
    )


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_foreign(repository: Any, claims: Mapping[str, str]) -> bool:
    own = claims.get("repository_id")
    return not own or str(_at(repository, "id")) != own
