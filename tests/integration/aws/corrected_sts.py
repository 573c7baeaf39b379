"""moto's STS, corrected: a token must fit the role's trust policy.

Source: STS API reference, ``AssumeRoleWithWebIdentity``; IAM User Guide, "Available keys for AWS
web identity federation". moto takes any token for any role, and even for none.
"""

import json
from urllib.parse import unquote

from moto.iam.models import iam_backends
from moto.sts.exceptions import STSClientError
from moto.sts.responses import TokenResponse

from signer.jwt import unverified_claims
from tests.integration.aws.policy import Request, allows

# What STS evaluates of GitHub's token beyond sub and aud (shared facts; since early 2026).
CLAIMS = (
    "sub",
    "aud",
    "actor",
    "actor_id",
    "job_workflow_ref",
    "repository",
    "repository_id",
    "workflow",
    "ref",
    "environment",
)


def apply() -> None:
    """Correct moto in this process."""
    original = TokenResponse.assume_role_with_web_identity

    def assume_role_with_web_identity(self: TokenResponse):  # type: ignore[no-untyped-def]
        role = self._get_param("RoleArn")
        claims = unverified_claims(self._get_param("WebIdentityToken"))
        if not trusts(role, claims):
            message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
            raise STSClientError("AccessDenied", message)
        return original(self)

    TokenResponse.assume_role_with_web_identity = assume_role_with_web_identity


def trusts(role_arn: str, claims: dict[str, str]) -> bool:
    """Whether a role's trust policy fits a token."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    role = next((r for r in iam_backends[account]["aws"].roles.values() if r.name == name), None)
    if role is None:
        return False
    issuer = claims["iss"].removeprefix("https://")
    request = Request(
        "sts:AssumeRoleWithWebIdentity",
        role_arn,
        {f"{issuer}:{name}": claims[name] for name in CLAIMS if name in claims},
        principal=f"arn:aws:iam::{account}:oidc-provider/{issuer}",
    )
    return allows([json.loads(unquote(role.assume_role_policy_document))], request)
