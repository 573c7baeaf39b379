"""What a policy needs GitHub to protect: environments, the refs that may use them, rulesets.

Sources: GitHub REST API, "Deployment branch policies" (Ruby's ``File.fnmatch``, whose ``*`` does
not match ``/`` either) and "Rules"; GitHub Docs, "Variables reference", GITHUB_REF_PROTECTED
(branch protections or rulesets), and "Deployments and environments": names of environments have no
case, as names of repositories have none, and "protected branches only" lets every branch in where
the repository has no branch protection rule.
"""

from dataclasses import dataclass, field
from typing import Any

from signer.gate.compile.rules import refused
from signer.gate.globs import is_glob, overlap
from signer.gate.policy import Rule, SigningPolicy

_KINDS = {"refs/heads/": "branch", "refs/tags/": "tag"}


@dataclass(slots=True)
class Environment:
    """One environment of one repository, as the rules that name it need it.

    Attributes:
        repository: OWNER/NAME, as it is first spelled.
        name: the environment's, as it is first spelled.
        rules: names of the rules.
        patterns: kind (``branch``, ``tag``) and pattern of the refs that may use it.
        limited: whether a rule names refs.
        any_ref: whether a rule names none, nor protected ones, so that none can be kept out.
    """

    repository: str
    name: str
    rules: list[str] = field(default_factory=list)
    patterns: dict[tuple[str, str], None] = field(default_factory=dict)
    limited: bool = False
    any_ref: bool = False

    @property
    def branch_policy(self) -> dict[str, bool] | None:
        """Which branches may use it, as GitHub's API has it; None for all of them."""
        if self.any_ref:
            return None
        return {"protected_branches": not self.limited, "custom_branch_policies": self.limited}


def environments_of(policy: SigningPolicy) -> list[Environment]:
    """The environments that rules name exactly, each once, however it is spelled.

    Raises:
        UsageError: ``policy-not-compilable``: no path of the REST API can have the name.
    """
    found: dict[tuple[str, str], Environment] = {}
    spelled = _spellings(policy)
    for rule in policy.rules:
        for repository in _exact(rule.runs.repository):
            for name in _exact(rule.runs.environment):
                if name in (".", ".."):
                    raise refused(
                        rule.name, f"environment is {name!r}, which a path takes for a folder"
                    )
                place = spelled[repository.casefold()]
                one = found.setdefault((place, name.casefold()), Environment(place, name))
                one.rules.append(rule.name)
                _add_refs(one, rule)
    return list(found.values())


def may_share(rule: Rule, other: Rule) -> bool:
    """Whether two rules can mean one environment of one repository, by globs or in other case.

    A rule without an environment shares none: no environment holds its runs to anything.
    """
    first, second = rule.runs, other.runs
    if first.environment is None or second.environment is None:
        return False
    return all(
        one is None
        or two is None
        or any(overlap(a.casefold(), b.casefold()) for a in one for b in two)
        for one, two in (
            (first.environment, second.environment),
            (first.repository, second.repository),
            (first.repository_id, second.repository_id),
            (first.repository_owner_id, second.repository_owner_id),
        )
    )


def repositories_of(policy: SigningPolicy) -> dict[str, list[str]]:
    """The repositories that rules name exactly, each once, and the names of those rules."""
    found: dict[str, list[str]] = {}
    spelled = _spellings(policy)
    for rule in policy.rules:
        for repository in _exact(rule.runs.repository):
            found.setdefault(spelled[repository.casefold()], []).append(rule.name)
    return found


def _spellings(policy: SigningPolicy) -> dict[str, str]:
    """Owner and name of each repository as they are first spelled, by the name in lower case."""
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for rule in policy.rules:
        for repository in _exact(rule.runs.repository):
            owner, _, name = repository.partition("/")
            first = owners.setdefault(owner.casefold(), owner)
            names.setdefault(repository.casefold(), f"{first}/{name}")
    return names


def rulesets_of(policy: SigningPolicy) -> list[dict[str, Any]]:
    """Rulesets that make ``ref_protected`` true where a rule asks for that, a ref at a time.

    Returns:
        for each, ``rules``, ``repository``, and ``body`` for the REST API.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    spelled = _spellings(policy)
    for rule in policy.rules:
        if rule.runs.ref_protected != ("true",):
            continue
        for repository in _exact(rule.runs.repository):
            for ref in rule.runs.ref or ():
                for kind, pattern in patterns_of(ref):
                    same = (spelled[repository.casefold()], kind, pattern)
                    found.setdefault(same, []).append(rule.name)
    starts = {kind: start for start, kind in _KINDS.items()}
    return [
        {
            "rules": rules,
            "repository": repository,
            "body": {
                "name": f"policy-audit {kind} {pattern}",
                "target": kind,
                "enforcement": "active",
                "conditions": {
                    "ref_name": {"include": [f"{starts[kind]}{pattern}"], "exclude": []}
                },
                "rules": [{"type": "deletion"}, {"type": "non_fast_forward"}, _lasting(kind)],
            },
        }
        for (repository, kind, pattern), rules in found.items()
    ]


def _add_refs(one: Environment, rule: Rule) -> None:
    runs = rule.runs
    one.limited = one.limited or runs.ref is not None
    one.any_ref = one.any_ref or (runs.ref is None and runs.ref_protected != ("true",))
    for ref in runs.ref or ():
        one.patterns |= dict.fromkeys(patterns_of(ref))


def patterns_of(ref: str) -> list[tuple[str, str]]:
    """Kind and pattern of the same refs as File.fnmatch has it; none where it cannot say it."""
    if ref in ("**", "refs/**"):
        return [(kind, "**/*") for kind in _KINDS.values()]
    for start, kind in _KINDS.items():
        if ref.startswith(start):
            *before, last = ref.removeprefix(start).split("/")
            ends = ["**", "*"] if last == "**" else [last]
            if (
                "**" in "/".join(before)
                or ("**" in last and last != "**")
                or set(ref) & set("?[\\")
            ):
                return []
            return [(kind, "/".join([*before, *ends]))]
    return []


def ids_of(policy: SigningPolicy) -> dict[str, int]:
    """The ids of repositories that a rule names alone, with an id."""
    found = {}
    spelled = _spellings(policy)
    for rule in policy.rules:
        names, ids = rule.runs.repository or (), _exact(rule.runs.repository_id)
        if len(names) == 1 and len(ids) == 1 and names[0].casefold() in spelled:
            found[spelled[names[0].casefold()]] = int(ids[0])
    return found


def _lasting(kind: str) -> dict[str, Any]:
    # A tag has no pull requests: it may not be moved once it is there.
    if kind == "tag":
        return {"type": "update"}
    parameters = {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": False,
        "require_last_push_approval": True,
        "required_review_thread_resolution": False,
    }
    return {"type": "pull_request", "parameters": parameters}


def _exact(patterns: tuple[str, ...] | None) -> list[str]:
    return [one for one in patterns or () if not is_glob(one)]
