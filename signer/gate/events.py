"""Runs that are dangerous whatever the claims say: they carry what strangers wrote.

Source: GitHub Docs, "Events that trigger workflows" and "Secure use reference". Claims alone
allow; the event file, which the job could alter, may only refuse.
"""

import json
from collections.abc import Collection, Mapping
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

# GitHub Docs, "Dependabot on GitHub Actions", "Restrictions when Dependabot triggers events".
_DEPENDABOT_EVENTS = (
    "create", "deployment", "deployment_status", "pull_request", "pull_request_review",
    "pull_request_review_comment", "push",
)  # fmt: skip

TOLD_BY = {
    "pull_request_target": ("event_name",),
    "self_hosted_in_public": ("runner_environment", "repository_visibility"),
}
"""The claims that tell a danger, where claims alone do."""

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


def dangers(claims: Mapping[str, str], event: Mapping[str, Any] | None) -> list[str]:
    """Why this run is dangerous, under the names that ``allow_dangerous`` takes.

    What is not known counts as dangerous.

    Args:
        claims: what is known of the run, under GitHub's claim names.
        event: the event file; None where the run is over, and only its claims can be asked.
    """
    name = claims.get("event_name", "pull_request_target")
    found = []
    if name == "pull_request_target":
        found.append(name)
    elif event is not None and _is_started_by_fork(name, event, claims):
        found.append(f"{'workflow_run' if name == 'workflow_run' else 'pull_request'}_from_fork")
    hosted = claims.get("runner_environment") == "github-hosted"
    if not hosted and claims.get("repository_visibility") not in ("private", "internal"):
        found.append("self_hosted_in_public")
    return found


def is_without_secrets(environ: Mapping[str, str]) -> bool:
    """Whether GitHub withholds secrets and token from this run: a fork's or Dependabot's.

    Here what is not known counts as the repository's own: its runs must not pass unsigned.
    """
    if not on_runner(environ):
        return False
    name = environ.get("GITHUB_EVENT_NAME", "")
    if environ.get("GITHUB_ACTOR") == "dependabot[bot]" and name in _DEPENDABOT_EVENTS:
        return True
    own = environ.get("GITHUB_REPOSITORY_ID")
    head = _at(read_event(environ), "pull_request", "head")
    if not own or not isinstance(head, Mapping) or name == "pull_request_target":
        return False
    # A deleted fork's head has a repository that is null.
    fork = "repo" in head and _is_foreign(head["repo"], {"repository_id": own})
    return name.startswith("pull_request") and fork


def require_named(found: list[str], rule: str, named: Collection[str]) -> None:
    """Refuse a run whose dangers a rule matches but does not name.

    Args:
        found: what ``dangers`` found.
        rule: the rule's name.
        named: its ``allow_dangerous``.

    Raises:
        GateError: ``dangerous-run``.
    """
    if unnamed := [name for name in found if name not in named]:
        raise _dangerous_run(unnamed, rule)


def _dangerous_run(names: list[str], rule: str) -> GateError:
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


def _is_started_by_fork(name: str, event: Mapping[str, Any], claims: Mapping[str, str]) -> bool:
    if name == "workflow_run":
        # What started the run that started this one is not told, nor whose code it had checked out.
        started_by = _at(event, "workflow_run", "event")
        indirect = started_by in ("workflow_run", "pull_request_target")
        return indirect or _is_foreign(_at(event, "workflow_run", "head_repository"), claims)
    return name.startswith("pull_request") and _is_foreign(
        _at(event, "pull_request", "head", "repo"), claims
    )


def _is_foreign(repository: Any, claims: Mapping[str, str]) -> bool:
    own = claims.get("repository_id")
    return not own or str(_at(repository, "id")) != own
