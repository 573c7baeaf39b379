"""The subjects of GitHub's tokens, for clouds that see little more of a run than its ``sub``.

Sources: GitHub Docs, "OpenID Connect reference", "Example subject claims", "Filtering for metadata
containing :" and "Immutable subject claims". A repository's subjects have one of two forms::

    repo:OWNER/NAME:CONTEXT
    repo:OWNER@OWNER_ID/NAME@REPOSITORY_ID:CONTEXT    created, renamed, moved since 15 July 2026

and CONTEXT is ``environment:NAME`` where the job has one, else ``pull_request`` for such an event,
else ``ref:REF``. A ``:`` in a value is written ``%3A``; owners, names and refs have none. So a
``*`` that stands for any text cannot reach past the part it stands in. GitHub Enterprise Server
before 3.19 leaves it as it is; it has subjects of the first form only.
"""

from signer.gate.compile.rules import refused
from signer.gate.globs import is_glob
from signer.gate.policy import Rule

_PULL_REQUESTS = "refs/pull/**"


def by_name(repository: str, context: str) -> str:
    """A subject with names only.

    Args:
        repository: OWNER/NAME, a pattern of the policy without a single ``*``.
        context: what `contexts` gives, or ``*`` for any.
    """
    return f"repo:{wild(repository)}:{context}"


def immutable(
    repository: str, context: str, owner_id: str | None = None, repository_id: str | None = None
) -> str:
    """A subject with ids; an id that is not known is ``*``.

    Args:
        repository: OWNER/NAME, a pattern of the policy without a single ``*``.
        context: what `contexts` gives, or ``*`` for any.
        owner_id: the owner's id, exact.
        repository_id: the repository's, exact.
    """
    owner, _, name = wild(repository).partition("/")
    return f"repo:{owner}@{owner_id or '*'}/{name}@{repository_id or '*'}:{context}"


def ids(patterns: tuple[str, ...] | None) -> list[str | None]:
    """The ids that a rule names, each once; None for any, also where one is a glob."""
    if patterns is None or any(is_glob(pattern) for pattern in patterns):
        return [None]
    return list(dict.fromkeys(patterns))


def repositories(rule: Rule) -> tuple[str, ...]:
    """The rule's repositories, each with an owner and a name.

    Raises:
        UsageError: ``policy-not-compilable``: it names none, or not both parts.
    """
    patterns = rule.runs.repository
    if patterns is None:
        raise refused(rule.name, "it names no repository, which every subject begins with")
    for pattern in patterns:
        if pattern.count("/") != 1:
            raise refused(rule.name, f"repository is {pattern!r}, and not OWNER/NAME")
    return patterns


def contexts(rule: Rule) -> list[str]:
    """What the rule's subjects may end in; ``*`` where it does not matter.

    A subject tells of the environment or of the ref, not of both: where the rule names both, the
    environment stands for the two.

    Raises:
        UsageError: ``policy-not-compilable``: a subject cannot say this.
    """
    runs = rule.runs
    if runs.environment is not None:
        return [_environment(rule, pattern) for pattern in runs.environment]
    if runs.ref is not None:
        return list(dict.fromkeys(one for ref in runs.ref for one in _ref(rule, ref)))
    return ["pull_request" if runs.event_name == ("pull_request",) else "*"]


def wild(pattern: str) -> str:
    """The pattern with ``*`` for any text, as the clouds have it."""
    return pattern.replace("**", "*")


def _environment(rule: Rule, pattern: str) -> str:
    if any(character in pattern for character in ":%"):
        raise refused(
            rule.name,
            f"environment is {pattern!r}, and a subject shows : and %3A alike",
        )
    if "**" in pattern.removesuffix("**"):
        raise refused(
            rule.name,
            f"environment is {pattern!r}, and ** could match a part of %3A, which a subject has "
            "for :; only at the end it cannot",
        )
    return f"environment:{wild(pattern)}"


def _ref(rule: Rule, pattern: str) -> list[str]:
    if pattern == _PULL_REQUESTS:
        return ["pull_request"]
    if pattern.startswith("refs/pull"):
        raise refused(
            rule.name,
            f"ref is {pattern!r}, and the subject of a pull request's run has no ref: only "
            f"{_PULL_REQUESTS} can be compiled",
        )
    both = pattern in ("**", "refs/**")
    return [f"ref:{wild(pattern)}", *(["pull_request"] if both else [])]
