"""A role that is compiled for AWS does with a rule's keys what the gate does, and no more."""

from typing import Any

import pytest
from pydantic import ValidationError

from signer.assurance import Assurance
from signer.crypto.algorithms import ALGORITHMS, Scheme
from signer.gate.compile.aws import compile_policy
from signer.gate.matching import Request, ask
from signer.gate.policy import SigningPolicy
from tests.unit.gate.iam import allows, may_use_key
from tests.unit.gate.test_compile_aws import KEY, KEYS, RUNS, context, policy, trusts

KNOWN: dict[str, str | list[str]] = {
    "kms:ResourceAliases": ["alias/audit"],
    "kms:SigningAlgorithm": "ECDSA_SHA_256",
    "kms:MessageType": "DIGEST",
}


def test_permissions_are_of_that_key_and_algorithm_only() -> None:
    [role] = compile_policy(policy(RUNS))["roles"]
    permissions = role["permissions-policy"]
    assert allows(permissions, "kms:Sign", KNOWN)
    for name in ("kms:SigningAlgorithm", "kms:MessageType"):
        assert not allows(permissions, "kms:Sign", {**KNOWN, name: "ECDSA_SHA_384"})
    assert not allows(permissions, "kms:Sign", {**KNOWN, "kms:ResourceAliases": ["alias/other"]})
    for action in ("kms:Decrypt", "kms:GenerateMac", "kms:DescribeKey", "kms:UpdateAlias"):
        assert not allows(permissions, action, KNOWN)
    assert {one["Resource"] for one in permissions["Statement"]} == {f"{KEYS}key/*"}


@pytest.mark.parametrize(
    ("algorithm", "allowed"),
    [
        ("ED25519_SHA_512", {"kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW"}),
        ("ML_DSA_SHAKE_256",
         {"kms:SigningAlgorithm": "ML_DSA_SHAKE_256", "kms:MessageType": "EXTERNAL_MU"}),
        ("HMAC_SHA_256", {"kms:MacAlgorithm": "HMAC_SHA_256"}),
        (None, {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}),
        (None, {"kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW"}),
        (None, {"kms:SigningAlgorithm": "ML_DSA_SHAKE_256", "kms:MessageType": "EXTERNAL_MU"}),
    ],
)  # fmt: skip
def test_each_algorithm_has_its_actions(algorithm: str | None, allowed: dict[str, Any]) -> None:
    [role] = compile_policy(policy(RUNS, algorithm=algorithm))["roles"]
    known = {"kms:ResourceAliases": ["alias/audit"], **allowed}
    mac = "kms:MacAlgorithm" in allowed
    for action in ("kms:Sign", "kms:GetPublicKey"):
        assert allows(role["permissions-policy"], action, known) is not mac
    for action in ("kms:GenerateMac", "kms:VerifyMac", "kms:DescribeKey"):
        assert allows(role["permissions-policy"], action, known) is mac


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("ED25519_PH_SHA_512", "DIGEST"), ("SM2DSA", "RAW"), ("SM2DSA", "DIGEST"),
        ("ECDSA_SHA_256", "RAW"), ("RSASSA_PSS_SHA_384", "RAW"), ("ML_DSA_SHAKE_256", "RAW"),
        ("SHA_256", "DIGEST"), (None, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("named", [None, ["SHA_256", "ECDSA_SHA_256"]])
@pytest.mark.parametrize("key", ["alias/audit", "key/1234"])
def test_nothing_is_signed_as_the_gate_never_would(
    named: list[str] | None, algorithm: str | None, kind: str | None, key: str
) -> None:
    # sha256 stands beside it, because no key of KMS signs with SHA_256.
    may: dict[str, Any] = {
        "provider": ["aws_kms_sdk", "sha256"],
        "algorithm": named,
        "key": f"{KEYS}{key}",
    }
    [role] = compile_policy(policy(RUNS, **may))["roles"]
    known: dict[str, str | list[str]] = {"kms:ResourceAliases": ["alias/audit"]}
    if algorithm and kind:
        known |= {"kms:SigningAlgorithm": algorithm, "kms:MessageType": kind}
    arn = f"{KEYS}key/1234"
    assert not allows(role["permissions-policy"], "kms:Sign", known, resource=arn)
    [one] = role["key-policies"]
    assert not may_use_key(role, {"Statement": one["statements"]}, arn, "kms:Sign", known)
    assert "SHA_256" not in [
        name
        for one in role["permissions-policy"]["Statement"]
        for name in one.get("Condition", {}).get("StringEquals", {}).get("kms:SigningAlgorithm", [])
    ]


def test_no_permission_is_for_an_algorithm_that_the_gate_never_allows() -> None:
    for minimum in Assurance:
        for name, algorithm in ALGORITHMS.items():
            if algorithm.scheme is Scheme.HASH:
                continue
            mac = algorithm.scheme is Scheme.HMAC
            try:
                rules = policy(RUNS, algorithm=name, minimum_assurance=minimum)
            except ValidationError:
                assert mac
                continue
            [role] = compile_policy(rules)["roles"]
            known: dict[str, str | list[str]] = {
                "kms:ResourceAliases": ["alias/audit"],
                "kms:MacAlgorithm": name,
            }
            given_ = Assurance.SHARED_SECRET if mac else Assurance.MANAGED_KEY
            request = Request("aws_kms_sdk", (KEY,), name, given_)
            assert ask(rules, RUNS, request).rule is not None
            assert allows(role["permissions-policy"], "kms:GenerateMac", known) is mac


@pytest.mark.parametrize("name", ["alias/audit", "key/1234"])
def test_a_key_whose_age_is_limited_may_be_described(name: str) -> None:
    """Also by the roles of other rules: the age is asked for before any rule decides."""
    may = {"provider": "aws_kms_sdk", "key": f"{KEYS}{name}", "algorithm": "ECDSA_SHA_256"}
    rules = [
        {"name": f"rule {n}", "runs": RUNS, "may_sign_with": {**may, **more}}
        for n, more in enumerate(({"max_key_age": "365d"}, {}))
    ]
    compiled = compile_policy(SigningPolicy.model_validate({"version": "1", "rules": rules}))
    for role in compiled["roles"]:
        assert allows(role["permissions-policy"], "kms:DescribeKey", KNOWN)
        [one] = role["key-policies"]
        key_policy = {"Statement": one["statements"]}
        assert may_use_key(role, key_policy, f"{KEYS}key/1234", "kms:DescribeKey", KNOWN)
    [line] = [line for line in compiled["not-expressed"] if "max_key_age" in line]
    assert line.startswith("rule 0: max_key_age is 365 days")


@pytest.mark.parametrize("name", ["alias/audit", "key/1234"])
def test_a_keys_policy_opens_it_to_the_role_as_its_own_policy_says(name: str) -> None:
    [role] = compile_policy(policy(RUNS, key=f"{KEYS}{name}"))["roles"]
    [one] = role["key-policies"]
    key_policy = {"Version": "2012-10-17", "Statement": one["statements"]}

    def may(action: str = "kms:Sign", arn: str = role["arn"], **changes: str) -> bool:
        known = {**KNOWN, **{f"kms:{name}": value for name, value in changes.items()}}
        other = {**role, "arn": arn}
        return may_use_key(other, key_policy, f"{KEYS}key/1234", action, known)

    assert may()
    assert may("kms:GetPublicKey")
    assert not may("kms:PutKeyPolicy")
    assert not may(arn=f"{role['arn']}-evil")
    assert not may(SigningAlgorithm="ECDSA_SHA_384")
    # Where the rule names an alias, a key that has lost it is no longer the rule's.
    lost = {**KNOWN, "kms:ResourceAliases": []}
    still = may_use_key(role, key_policy, f"{KEYS}key/1234", "kms:Sign", lost)
    assert still is (name == "key/1234")


def test_one_rule_never_opens_anothers_key() -> None:
    may = {"provider": "aws_kms_sdk", "algorithm": "ECDSA_SHA_256"}
    rules = [
        {"name": name, "runs": {"repository": f"acme/{name}"},
         "may_sign_with": {**may, "key": [f"{KEYS}key/{name}", f"{KEYS}alias/{name}"]}}
        for name in ("a", "b", "c")
    ]  # fmt: skip
    compiled = compile_policy(SigningPolicy.model_validate({"version": "1", "rules": rules}))
    assert len({role["arn"] for role in compiled["roles"]}) == 3
    for role in compiled["roles"]:
        for name in ("a", "b", "c"):
            own = role["rule"] == name
            claims = {"repository": f"acme/{name}", "repository_id": "1", "ref": "refs/heads/x"}
            assert trusts({"roles": [role]}, context(claims, immutable=True)) is own
            known = {**KNOWN, "kms:ResourceAliases": [f"alias/{name}"]}
            arn = f"{KEYS}key/{name}"
            assert allows(role["permissions-policy"], "kms:Sign", known, resource=arn) is own
            statements = [
                statement
                for other in compiled["roles"]
                for one in other["key-policies"]
                if one["key"].endswith(f"/{name}")
                for statement in one["statements"]
            ]
            assert may_use_key(role, {"Statement": statements}, arn, "kms:Sign", known) is own
