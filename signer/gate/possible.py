"""What a rule can match at all: a rule that never can is an error.

Somebody believes that such a rule protects something, or lets something through. Claim values are
GitHub's (GitHub Docs, "OpenID Connect reference", "OIDC token claims").
"""

import re
from collections.abc import Mapping, Sequence

from signer.crypto.algorithms import ALGORITHMS, KEY_SPECS, Scheme
from signer.gate import events
from signer.gate.globs import is_glob, matches, overlap

# GitHub, "Usernames" and "Repository names": letters, digits, - (of managed users _), and in
# repositories _ and . as well. No part is . or .., which a path would take for a folder.
_REPOSITORY = re.compile(r"(?!(.*/)?\.\.?(/|$))[\w.*-][\w.*/-]*[\w.*-]", re.ASCII)
_LONGEST_REPOSITORY = 140  # 39 of the owner, a slash, 100 of the name
_LONGEST_ID = 20  # digits of 2**64

# What a claim of this name can look like: a pattern that overlaps none of these never matches.
_SHAPES: dict[str, tuple[str, ...]] = {
    "repository": ("*/*",),
    "ref": ("refs/heads/**", "refs/tags/**", "refs/pull/**"),
    "ref_protected": ("true", "false"),
    "workflow_ref": ("*/*/**@**",),
    "job_workflow_ref": ("*/*/**@**",),
    "event_name": events.NAMES,
    "runner_environment": ("github-hosted", "self-hosted"),
    "repository_visibility": ("public", "private", "internal"),
}
# The claims that say whose run it is: anybody may call a reusable workflow (job_workflow_ref).
_WHOSE = ("repository", "repository_id", "repository_owner_id", "workflow_ref")
# What the full name of a provider's key looks like.
_KEYS = {
    "aws": ("arn:*:kms:*:*:key/**", "arn:*:kms:*:*:alias/**"),
    "azure": ("https://**/keys/**",),
    "kms": ("alias/**", "urn:policy-audit:kms:key/**"),
    "hmac": ("hmac:**",),
    "sha256": ("sha256",),
}
_IN_A_KMS = frozenset(name for names in KEY_SPECS.values() for name in names)
_ALGORITHMS = {
    "aws": _IN_A_KMS,
    "azure": frozenset(
        name
        for name in _IN_A_KMS - {"HMAC_SHA_224"}
        if ALGORITHMS[name].scheme not in (Scheme.ED25519, Scheme.ML_DSA)
    ),
    "kms": _IN_A_KMS,
    "hmac": frozenset({"HMAC_SHA_256"}),
    "sha256": frozenset({"SHA_256"}),
}


def require_runs(named: Mapping[str, Sequence[str]]) -> None:
    """Refuse claims that no run has, and those that anybody's has.

    Args:
        named: the patterns of each claim that a rule names.

    Raises:
        ValueError: why.
    """
    if not named.keys() & set(_WHOSE):
        raise ValueError(
            "names no repository: anybody's run would match; add repository and repository_id"
        )
    for name, patterns in named.items():
        for pattern in patterns:
            _require_claim(name, pattern)
    if not any(all(map(_is_somebodys, named.get(name, ("*",)))) for name in _WHOSE):
        raise ValueError(
            "anybody's run would match: name the owner before the first / without a star, or an "
            "id without one"
        )
    _require_one_repository(named.get("repository", ()), named.get("workflow_ref", ()))
    _require_event_of_ref(named.get("event_name", ()), named.get("ref", ()))


def require_key(providers: Sequence[str], keys: Sequence[str]) -> None:
    """Refuse names that no key of these providers has.

    Raises:
        ValueError: why.
    """
    shapes = [shape for provider in providers for shape in _KEYS[_family(provider)]]
    for key in keys:
        if not any(overlap(key, shape) for shape in shapes):
            raise ValueError(
                f"can never match: the key of {' or '.join(providers)} is compared in full "
                f"({' or '.join(shapes)}), and the rule says {key!r}"
            )


def require_algorithms(providers: Sequence[str], algorithms: Sequence[str]) -> None:
    """Refuse algorithms that none of these providers signs with.

    Raises:
        ValueError: why.
    """
    for name in algorithms:
        if not any(name in _ALGORITHMS[_family(provider)] for provider in providers):
            raise ValueError(f"can never match: {' or '.join(providers)} does not sign with {name}")


def _family(provider: str) -> str:
    return provider.partition("_")[0]


def _is_somebodys(pattern: str) -> bool:
    """Whether what a pattern matches is of one owner, or has one id."""
    return not is_glob(pattern.partition("/")[0])


def _require_claim(name: str, pattern: str) -> None:
    if name.endswith("workflow_ref") and "**" in pattern.rpartition("@")[0]:
        raise ValueError(
            f"{pattern!r} has ** before the @: it would match branches that anybody who may push "
            "can name, such as evil@refs/heads/main; workflows lie in .github/workflows/, write * "
            "for their names"
        )
    if name.endswith("_id"):
        digits = len(pattern.replace("*", ""))
        possible = re.fullmatch(r"[0-9*]+", pattern) is not None and digits <= _LONGEST_ID
    elif name == "repository" and not (
        len(pattern.replace("*", "")) <= _LONGEST_REPOSITORY and _REPOSITORY.fullmatch(pattern)
    ):
        possible = False
    else:
        shapes = _SHAPES.get(name)
        if shapes is None:
            return
        possible = any(
            overlap(pattern, shape) if is_glob(shape) else matches(pattern, shape)
            for shape in shapes
        )
    if not possible:
        raise ValueError(f"can never match: no {name} looks like {pattern!r}")


def _require_one_repository(repositories: Sequence[str], workflows: Sequence[str]) -> None:
    if not repositories or not workflows:
        return
    places = ["/".join(workflow.split("/")[:2]) for workflow in workflows]
    if not any(
        "**" in place or overlap(repository, place)
        for repository in repositories
        for place in places
    ):
        raise ValueError("can never match: workflow_ref is of another repository")


def _require_event_of_ref(asked: Sequence[str], refs: Sequence[str]) -> None:
    # GitHub Docs, "Events that trigger workflows": GITHUB_REF is a pull request's for these only.
    others = [event for event in asked if not overlap(event, "pull_request**")]
    only_pulls = all(
        not overlap(ref, "refs/heads/**") and not overlap(ref, "refs/tags/**") for ref in refs
    )
    if asked and refs and only_pulls and len(others) == len(asked):
        raise ValueError(
            f"can never match: a run of {' or '.join(asked)} has no ref under refs/pull/"
        )
