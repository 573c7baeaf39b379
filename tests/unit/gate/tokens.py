"""GitHub's tokens as the clouds see them, for tests.

Source: GitHub Docs, "OpenID Connect reference": the default subject, its immutable form, and that
a ``:`` in a value is written ``%3A``. Left out: subjects that a repository has customised.
"""

from collections.abc import Mapping

from signer.gate.policy import SigningPolicy

HOST = "token.actions.githubusercontent.com"


def subject(claims: Mapping[str, str], *, immutable: bool, escaped: bool = True) -> str:
    """The ``sub`` of a run.

    Args:
        claims: the run's others, with ``repository`` and ``ref``.
        immutable: whether the repository's subjects have ids.
        escaped: False for a GitHub Enterprise Server before 3.19.
    """
    repository = claims["repository"]
    if immutable:
        owner, name = repository.split("/")
        repository = f"{owner}@{claims.get('repository_owner_id', '7')}/"
        repository += f"{name}@{claims['repository_id']}"
    if "environment" in claims:
        value = claims["environment"]
        end = "environment:" + (value.replace(":", "%3A") if escaped else value)
    elif claims.get("event_name") == "pull_request":
        end = "pull_request"
    else:
        end = f"ref:{claims['ref']}"
    return f"repo:{repository}:{end}"


def only(policy: SigningPolicy, claims: set[str]) -> SigningPolicy:
    """The policy as a cloud that sees these claims only would have it."""
    document = policy.model_dump(mode="json", exclude_none=True)
    for rule in document["rules"]:
        rule["runs"] = {name: one for name, one in rule["runs"].items() if name in claims}
    return SigningPolicy.model_validate(document)
