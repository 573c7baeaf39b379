"""The documents of docs/aws.md, and the jobs that are held against them."""

import json
import re
from pathlib import Path
from typing import Any

from tests.integration.aws.cloud import ACCOUNT, ROOT, Cloud, Ended
from tests.integration.aws.policy import Request, allows, applies, statements

ROLE = f"arn:aws:iam::{ACCOUNT}:role/policy-audit"
DOCUMENTED_KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "example/policies",
    "GITHUB_REPOSITORY_ID": "123456789",
    "GITHUB_RUN_ID": "7000000001",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_EVENT_NAME": "push",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-request-token-of-this-job",
}


def both(*names: str, key: str) -> dict[str, Any]:
    """Several documents as the one policy that they make together."""
    found = [statement for name in names for statement in documented(name, key)["Statement"]]
    return {"Version": "2012-10-17", "Statement": found}


def documented(name: str, key: str = "") -> dict[str, Any]:
    """A policy of docs/aws.md, for the account and a key of the test."""
    text = (ROOT / "docs" / "aws.md").read_text()
    match = re.search(rf"<!-- policy: {name} -->\n```json\n(.*?)```", text, re.DOTALL)
    assert match, f"docs/aws.md has no policy {name}"
    filled = match[1].replace("111122223333", ACCOUNT)
    policy: dict[str, Any] = json.loads(filled.replace(DOCUMENTED_KEY, key.rpartition("/")[2]))
    return policy


def job(cloud: Cloud, **more: str) -> dict[str, str]:
    """The environment of a job that offers an OIDC token."""
    token_url = f"{cloud.url}/_token?api-version=2.0"
    return {**cloud.bare_environ, **RUN, "ACTIONS_ID_TOKEN_REQUEST_URL": token_url, **more}


def requests_of(calls: list[dict[str, Any]], secret_arn: str = "") -> list[Request]:
    """The calls of a job as the policy engine sees them; those that need no permission left out."""
    found = []
    for call in calls:
        parameters, action = call["parameters"], call["action"]
        if action in ("sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"):
            continue
        # KMS Developer Guide, "Condition keys for AWS KMS".
        context: dict[str, str | list[str]] = {
            f"kms:{name}": parameters[name]
            for name in ("SigningAlgorithm", "MessageType", "MacAlgorithm")
            if name in parameters
        }
        if call["aliases"]:
            context["kms:ResourceAliases"] = call["aliases"]
        found.append(Request(action, call["key"] or secret_arn, context, principal=ROLE))
    return found


def hold(policy: dict[str, Any], requests: list[Request]) -> None:
    """What is used is allowed, and what is allowed to who signs is used."""
    assert requests
    for request in requests:
        assert allows([policy], request), request
    for statement in statements(policy):
        if statement.get("Principal", {"AWS": ROLE}) != {"AWS": ROLE}:
            continue  # of a key policy: what the administrators may
        listed = statement["Action"]
        for action in [listed] if isinstance(listed, str) else listed:
            narrowed = {**statement, "Action": action}
            assert any(applies(narrowed, request) for request in requests), action


def sign_as_role(
    cloud: Cloud, audit: Path, provider: str, key: str, *more: str, **environ: str
) -> Ended:
    """Sign with what the job's token gives; ``environ`` is added to the job's."""
    options = ["--provider", provider, "--aws-kms-key", key, "--aws-role-to-assume", ROLE]
    return cloud.sign(audit, *options, *more, environ=job(cloud, **environ))
