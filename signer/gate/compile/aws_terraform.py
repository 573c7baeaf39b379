"""What is compiled for AWS as Terraform: roles, their policies, and the policies of the keys.

Sources: the documentation of ``hashicorp/aws`` 6: ``aws_iam_role``, ``aws_iam_role_policy``,
``aws_kms_key_policy``, ``aws_kms_alias`` (data source).
"""

import json
from typing import Any

from signer.gate.compile.terraform import aliases, document, label, labels, literal

_ADMINISTRATORS = "${jsonencode(var.key_administrators)}"
_ADMINISTRATION = [
    "kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey",
    "kms:GetKeyPolicy", "kms:GetPublicKey", "kms:ListResourceTags", "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
]  # fmt: skip


def terraform(compiled: dict[str, Any]) -> dict[str, Any]:
    """The same in Terraform's JSON syntax.

    A key's policy is replaced as a whole: it names the administrators that the variable
    ``key_administrators`` gives, and the roles of this signing policy.

    Args:
        compiled: what `signer.gate.compile.aws.compile_policy` gives.
    """
    roles = compiled["roles"]
    account = {role["name"]: role["arn"].split(":")[4] for role in roles}
    places = aliases("aws", account.values())
    blocks: dict[str, dict[str, Any]] = {"aws_iam_role": {}, "aws_iam_role_policy": {}}
    for role in roles:
        name, place = label(role["name"]), places[account[role["name"]]]
        blocks["aws_iam_role"][name] = {
            **place,
            "name": role["name"],
            "max_session_duration": 3600,
            "assume_role_policy": literal(json.dumps(role["trust-policy"])),
        }
        blocks["aws_iam_role_policy"][name] = {
            **place,
            "name": "sign",
            "role": f"${{aws_iam_role.{name}.id}}",
            "policy": literal(json.dumps(role["permissions-policy"])),
        }
    keys, data = _keys(roles, places)
    outputs = {
        f"{label(role['name'])}_arn": {"value": f"${{aws_iam_role.{label(role['name'])}.arn}}"}
        for role in roles
    }
    return document(
        {"aws": {"source": "hashicorp/aws", "version": ">= 6.0"}},
        {
            "variable": {
                "key_administrators": {
                    "type": "list(string)",
                    "description": "ARNs of the principals that manage the keys; each key's policy "
                    "is replaced as a whole, so whoever applies this must be among them.",
                }
            },
            "data": {"aws_kms_alias": data},
            "resource": {**blocks, "aws_kms_key_policy": keys},
            "output": outputs,
        },
        used=places.values(),
        not_expressed=compiled["not-expressed"],
    )


def _keys(
    roles: list[dict[str, Any]], places: dict[str, dict[str, str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    statements: dict[str, list[dict[str, Any]]] = {}
    needed: dict[str, list[str]] = {}
    for role in roles:
        for one in role["key-policies"]:
            statements.setdefault(one["key"], []).extend(one["statements"])
            needed.setdefault(one["key"], []).append(f"aws_iam_role.{label(role['name'])}")
    policies, data = {}, {}
    for key, name in labels(statements).items():
        _arn, _partition, _kms, region, account, resource = key.split(":")
        place = {**places[account], "region": region}
        key_id = key
        if resource.startswith("alias/"):
            data[name] = {**place, "name": resource}
            key_id = f"${{data.aws_kms_alias.{name}.target_key_id}}"
        policies[name] = {
            **place,
            "key_id": key_id,
            "policy": _policy(statements[key]),
            # KMS refuses a policy that names a role which is not there yet.
            "depends_on": list(dict.fromkeys(needed[key])),
        }
    return policies, data


def _policy(statements: list[dict[str, Any]]) -> str:
    administration = {
        "Sid": "Administration",
        "Effect": "Allow",
        "Principal": {"AWS": "ADMINISTRATORS"},
        "Action": _ADMINISTRATION,
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [administration, *statements]}
    return str(literal(json.dumps(policy))).replace('"ADMINISTRATORS"', _ADMINISTRATORS)
