"""What is compiled for AWS as Terraform: roles, their policies, and the policies of the keys.

Sources: the documentation of ``hashicorp/aws`` 6: ``aws_iam_role``, ``aws_iam_role_policy``,
``aws_kms_key_policy``, ``aws_kms_alias`` (data source). And the source of ``aws_kms_key_policy``
(``internal/service/kms/key_policy.go``): a change of ``key_id`` alone writes nothing, what is read
is the bare id, and deleting it writes KMS's default policy, which opens the key to the account,
unless ``bypass_policy_lockout_safety_check`` is set.
"""

import json
from typing import Any

from signer.gate.compile.terraform import aliases, document, label, labels, literal

_VARIABLE = "var.key_administrators"
_ADMINISTRATORS = f"${{jsonencode({_VARIABLE})}}"
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
    keys, targets, data = _keys(roles, places)
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
                    # KMS does not look whether a policy locks everybody out: see _keys.
                    "validation": {
                        "condition": f"${{length({_VARIABLE}) > 0 && "
                        f'alltrue([for one in {_VARIABLE} : startswith(one, "arn:")])}}',
                        "error_message": "Name at least one principal, by its ARN: nobody else "
                        "could manage the keys any more.",
                    },
                }
            },
            "data": {"aws_kms_alias": data},
            "resource": {**blocks, "terraform_data": targets, "aws_kms_key_policy": keys},
            "output": outputs,
        },
        used=places.values(),
        not_expressed=compiled["not-expressed"],
        required_version=">= 1.4",  # terraform_data
    )


def _keys(
    roles: list[dict[str, Any]], places: dict[str, dict[str, str]]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The keys' policies, which key each alias means, and the aliases to look up."""
    statements: dict[str, list[dict[str, Any]]] = {}
    needed: dict[str, list[str]] = {}
    for role in roles:
        for one in role["key-policies"]:
            statements.setdefault(one["key"], []).extend(one["statements"])
            needed.setdefault(one["key"], []).append(f"aws_iam_role.{label(role['name'])}")
    policies, data, found = {}, {}, []
    targets: dict[str, Any] = {}
    names = labels(statements)
    single = labels([*(f"target {name}" for name in names.values()), "every key"])
    for key, name in names.items():
        _arn, _partition, _kms, region, account, resource = key.split(":")
        place = {**places[account], "region": region}
        lifecycle: dict[str, Any] = {}
        key_id = resource.removeprefix("key/")
        if resource.startswith("alias/"):
            data[name] = {**place, "name": resource}
            key_id = f"${{data.aws_kms_alias.{name}.target_key_id}}"
            target = single[f"target {name}"]
            targets[target] = {"input": key_id}
            # An alias that is pointed at another key: that key gets the policy.
            lifecycle = {"lifecycle": {"replace_triggered_by": [f"terraform_data.{target}"]}}
        found.append(f"{account} {region} {key_id}")
        policies[name] = {
            **place,
            **lifecycle,
            "key_id": key_id,
            "policy": _policy(statements[key]),
            "bypass_policy_lockout_safety_check": True,
            # KMS refuses a policy that names a role which is not there yet.
            "depends_on": [
                *dict.fromkeys(needed[key]), f"terraform_data.{single['every key']}"
            ],
        }  # fmt: skip
    targets[single["every key"]] = {
        "input": found,
        "lifecycle": {
            "postcondition": {
                "condition": "${length(distinct(self.input)) == length(self.input)}",
                "error_message": "Two names of the signing policy mean one key (its id and an "
                "alias, or two aliases), and its policy would be written twice: name each key in "
                "one way.",
            }
        },
    }
    return policies, targets, data


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
