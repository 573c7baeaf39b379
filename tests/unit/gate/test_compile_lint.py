"""What is compiled for AWS passes linters: cfn-lint for its form, policy-sentry for its meaning.

cfn-lint knows trust policies (E3530), identity policies (E3510), resource policies (E3512) and the
names of actions (W3037). policy-sentry has the Service Authorization Reference, which says what
condition keys and resources each action takes.
"""

import json
import re
from functools import cache
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_sentry.querying.actions import get_action_data

from signer.errors import UsageError
from signer.gate.compile.aws import compile_policy
from signer.gate.policy import SigningPolicy
from tests.unit.gate.strategies import runs
from tests.unit.gate.test_compile_aws import ENTERPRISE, KEYS, PATTERNS, RUNS, policy
from tests.unit.gate.tokens import HOST

_ANYWHERE = ("aws:PrincipalArn",)  # a global key, which no action lists


def findings(compiled: dict[str, Any]) -> list[str]:
    """What the linters say of everything that was compiled."""
    resources: dict[str, Any] = {}
    said = []
    for number, role in enumerate(compiled["roles"]):
        permissions = role["permissions-policy"]
        resources[f"Role{number}"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": role["name"],
                "AssumeRolePolicyDocument": role["trust-policy"],
                "Policies": [{"PolicyName": "sign", "PolicyDocument": permissions}],
            },
        }
        said += [f"{role['name']}: {one}" for one in _meaning(permissions)]
        for count, key in enumerate(role["key-policies"]):
            key_policy = {"Version": "2012-10-17", "Statement": key["statements"]}
            resources[f"Key{number}x{count}"] = {
                "Type": "AWS::KMS::Key",
                "Properties": {
                    "KeySpec": "ECC_NIST_P256",
                    "KeyUsage": "SIGN_VERIFY",
                    "KeyPolicy": key_policy,
                },
            }
            said += [f"{key['key']}: {one}" for one in _meaning(key_policy)]
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    found = lint(json.dumps(template), config=ManualArgs(regions=["eu-central-1"]))
    return said + [f"{one.rule.id} {one.message}" for one in found]


def _meaning(document: dict[str, Any]) -> list[str]:
    said = []
    for statement in document["Statement"]:
        keys = {key for keys in statement.get("Condition", {}).values() for key in keys}
        for action in statement["Action"]:
            known = _action(action)
            if known is None:
                said.append(f"no action {action}")
                continue
            allowed, arn = known
            said += [f"{action} takes no {key}" for key in keys - allowed - set(_ANYWHERE)]
            if statement["Resource"] != "*" and not re.fullmatch(arn, statement["Resource"]):
                said.append(f"{action} takes no {statement['Resource']}")
    return said


@cache
def _action(action: str) -> tuple[set[str], str] | None:
    service, name = action.split(":")
    rows = get_action_data(service, name)
    if not rows:
        return None
    [row] = [one for one in rows[service] if one["resource_arn_format"] != "*"]
    arn = re.sub(r"\\\$\\\{\w+\\\}", "[^/]+", re.escape(row["resource_arn_format"]))
    return set(row["condition_keys"]), arn


SIGN = st.fixed_dictionaries(
    {
        "key": st.lists(
            st.sampled_from([f"{KEYS}key/1234", f"{KEYS}alias/audit", f"{KEYS}alias/a/b"]),
            min_size=1,
            max_size=2,
            unique=True,
        )
    },
    optional={
        "algorithm": st.lists(
            st.sampled_from(
                ["ECDSA_SHA_256", "ED25519_SHA_512", "ML_DSA_SHAKE_256", "HMAC_SHA_256", "PS256"]
            ),
            min_size=1,
            unique=True,
        )
    },
)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.tuples(runs(PATTERNS), SIGN), min_size=8, max_size=12),
    st.sampled_from([HOST, ENTERPRISE]),
)
def test_the_linters_find_nothing(
    drawn: list[tuple[dict[str, Any], dict[str, Any]]], issuer: str
) -> None:
    roles = []
    for number, (named, sign) in enumerate(drawn):
        try:
            [role] = compile_policy(policy(named, issuer=issuer, **sign))["roles"]
        except UsageError:
            continue
        roles.append({**role, "name": f"{role['name']}-{number}"})
    assert findings({"roles": roles}) == []


def test_the_linters_find_nothing_in_a_whole_policy() -> None:
    may = {"provider": "aws_kms_sdk", "key": f"{KEYS}alias/audit"}
    names = ["nightly audit of payments", "a" * 100, "リリース", "x"]
    rules = [
        {"name": name, "runs": {**RUNS, "actor": f"a{n}"}, "may_sign_with": may}
        for n, name in enumerate(names)
    ]
    whole = SigningPolicy.model_validate({"version": "1", "rules": rules})
    assert findings(compile_policy(whole)) == []


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("trust-policy", {"Condition": {"StringLikes": {"x:sub": "a"}}}, "E3530"),
        ("trust-policy", {"Resource": "*"}, "E3530"),
        ("permissions-policy", {"Condition": {"StringLikes": {"kms:KeySpec": "a"}}}, "E3510"),
        ("permissions-policy", {"Action": ["kms:Sing"]}, "W3037"),
        ("permissions-policy", {"Action": ["kms:Sing"]}, "no action kms:Sing"),
        ("permissions-policy", {"Condition": {"StringEquals": {"kms:Alias": "a"}}}, "kms:Alias"),
        ("permissions-policy", {"Resource": f"{KEYS}alias/audit"}, "takes no arn"),
        ("key-policies", {"Principal": {"AWS": "arn:aws:iam::1:role/x"}}, "E3512"),
        ("key-policies", {"Condition": {"StringEquals": {"kms:MacAlgorithm": "a"}}}, "takes no"),
    ],
)
def test_the_linters_find_what_is_wrong(where: str, change: dict[str, Any], said: str) -> None:
    [role] = compile_policy(policy(RUNS))["roles"]
    part = role[where][0]["statements"] if where == "key-policies" else role[where]["Statement"]
    part[0] |= change
    assert [one for one in findings({"roles": [role]}) if said in one]
