"""IAM policy statements: what a session may do, and what a trust policy must say.

Sources: IAM User Guide, "IAM JSON policy elements" and "Session policies"; KMS Developer Guide,
"Condition keys for AWS KMS" (``kms:ResourceAliases`` holds in IAM policies only).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from signer.crypto.algorithms import ALGORITHMS, Scheme, algorithm_named
from signer.providers.aws.reference import KeyReference, RoleReference, SecretReference

Statement = Mapping[str, Any]

_MAC_ACTIONS = ("kms:DescribeKey", "kms:GenerateMac", "kms:VerifyMac")


def session_policy(statements: Sequence[Statement]) -> str:
    """A session policy: of what the role may, no more than these statements allow."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    return json.dumps(policy, separators=(",", ":"))


def key_statement(
    key: KeyReference,
    region: str | None,
    role: RoleReference,
    algorithm: str | None,
    *,
    pinned: bool,
    dated: bool = False,
) -> Statement:
    """What signing with one key needs.

    An alias is named by a condition, because an alias' ARN as a resource matches no key.

    Args:
        key: the key.
        region: the region that is asked; None for any.
        role: whose account and partition are meant where the key's ARN names none.
        algorithm: what was asked for; None for what the key offers.
        pinned: whether the public key is known already.
        dated: whether it is asked when the key was made.
    """
    actions = _actions(algorithm, pinned=pinned)
    if dated and "kms:DescribeKey" not in actions:
        actions.append("kms:DescribeKey")
    partition, account = key.partition or role.partition, key.account or role.account
    name = "*" if key.is_alias else key.name
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": actions,
        "Resource": f"arn:{partition}:kms:{key.region or region or '*'}:{account}:key/{name}",
    }
    if key.is_alias:
        statement["Condition"] = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key.name}}
    return statement


def secret_statement(secret: SecretReference, region: str | None, role: RoleReference) -> Statement:
    """What reading one secret needs; a bare name gets the six random characters of its ARN."""
    resource = secret.text
    if secret.region is None:
        where = f"{region or '*'}:{role.account}"
        resource = f"arn:{role.partition}:secretsmanager:{where}:secret:{secret.text}-??????"
    return {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": resource}


def trust_statement(role: RoleReference, claims: Mapping[str, Any], audience: str) -> str:
    """What a role's trust policy must have for tokens like this one.

    The condition is on ``repository_id``, which survives both forms of ``sub`` and a change of
    the repository's name.
    """
    issuer = str(claims.get("iss", "")).removeprefix("https://")
    issuer = issuer or "token.actions.githubusercontent.com"
    repository = str(claims.get("repository_id", "ID"))
    statement = {
        "Effect": "Allow",
        "Principal": {
            "Federated": f"arn:{role.partition}:iam::{role.account}:oidc-provider/{issuer}"
        },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{issuer}:aud": audience, f"{issuer}:repository_id": repository}
        },
    }
    return json.dumps(statement)


def _actions(algorithm: str | None, *, pinned: bool) -> list[str]:
    if algorithm is not None:
        scheme = ALGORITHMS[algorithm_named(algorithm)].scheme
        if scheme is Scheme.HMAC:
            return list(_MAC_ACTIONS)
        return ["kms:Sign"] if pinned else ["kms:GetPublicKey", "kms:Sign"]
    return ["kms:Sign"] if pinned else ["kms:GetPublicKey", "kms:Sign", *_MAC_ACTIONS]
