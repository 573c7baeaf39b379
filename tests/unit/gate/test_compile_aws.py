"""What is compiled for AWS is never wider than the gate, and no narrower where it can say it."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from signer.errors import UsageError
from signer.gate.compile_aws import AUDIENCE, EXPRESSIBLE, compile_policy, terraform
from signer.gate.matching import ask
from signer.gate.policy import SigningPolicy
from tests.unit.gate.iam import allows

HOST = "token.actions.githubusercontent.com"
ASSUME = "sts:AssumeRoleWithWebIdentity"
KEY = "arn:aws:kms:eu-central-1:111122223333:alias/audit"

RUNS: dict[str, Any] = {
    "repository": "acme/payments",
    "repository_id": "123",
    "job_workflow_ref": "acme/ci/.github/workflows/sign.yml@refs/heads/main",
    "ref": "refs/heads/main",
    "environment": "production",
    "actor": "ann",
}
VALUES: dict[str, list[str]] = {
    "repository": ["acme/payments", "acme/payments-evil", "evil/payments", "Acme/payments"],
    "repository_id": ["123", "1234"],
    "job_workflow_ref": [RUNS["job_workflow_ref"], "evil/ci/.github/workflows/sign.yml@refs/x"],
    "ref": ["refs/heads/main", "refs/heads/main/x", "refs/heads/a/b", "refs/tags/main"],
    "environment": ["production", "production2", "a/b"],
    "actor": ["ann", "eve"],
}
PATTERNS = {
    "repository": [*VALUES["repository"], "acme/**", "**/payments", "acme/*"],
    "repository_id": VALUES["repository_id"],
    "job_workflow_ref": [*VALUES["job_workflow_ref"], "acme/ci/**@refs/**"],
    "ref": ["refs/heads/main", "refs/heads/**", "refs/**/b", "refs/heads/*"],
    "environment": ["production", "prod**", "**"],
    "actor": ["ann", "e**"],
}


def policy(runs: dict[str, Any], **sign: Any) -> SigningPolicy:
    may = {"provider": "aws_kms_sdk", "key": KEY, "algorithm": "ECDSA_SHA_256", **sign}
    rules = [{"name": "one", "runs": runs, "may_sign_with": may}]
    return SigningPolicy.model_validate({"version": "1", "rules": rules})


def context(claims: dict[str, str], *, immutable: bool) -> dict[str, str | list[str]]:
    """What STS knows of a token with these claims."""
    owner, name = claims["repository"].split("/")
    repository = f"{owner}@7/{name}@{claims['repository_id']}" if immutable else f"{owner}/{name}"
    where = f"environment:{claims['environment']}" if "environment" in claims else claims["ref"]
    known = {claim: claims[claim] for claim in EXPRESSIBLE if claim in claims}
    told: dict[str, str | list[str]] = {f"{HOST}:{claim}": text for claim, text in known.items()}
    return {**told, f"{HOST}:sub": f"repo:{repository}:{where}", f"{HOST}:aud": AUDIENCE}


def trusts(compiled: dict[str, Any], known: dict[str, str | list[str]]) -> bool:
    return any(allows(role["trust-policy"], ASSUME, known) for role in compiled["roles"])


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    names = {"repository", *draw(st.sets(st.sampled_from(sorted(PATTERNS))))}
    few = {
        name: st.lists(st.sampled_from(PATTERNS[name]), min_size=1, max_size=2) for name in names
    }
    drawn: dict[str, Any] = draw(st.fixed_dictionaries(few))
    return drawn


CLAIMS = st.fixed_dictionaries(
    {name: st.sampled_from(VALUES[name]) for name in ("repository", "repository_id", "ref")},
    optional={
        name: st.sampled_from(VALUES[name]) for name in ("job_workflow_ref", "environment", "actor")
    },
)


@given(runs(), CLAIMS, st.booleans())
def test_the_gate_and_the_trust_policy_agree(
    named: dict[str, Any], claims: dict[str, str], immutable: bool
) -> None:
    rules = policy(named)
    try:
        compiled = compile_policy(rules)
    except UsageError:
        assume(False)
    allowed = ask(rules, claims).rule is not None
    assert trusts(compiled, context(claims, immutable=immutable)) == allowed


@pytest.mark.parametrize("immutable", [False, True])
def test_the_right_run_and_each_wrong_one(immutable: bool) -> None:
    compiled = compile_policy(policy(RUNS))
    right = context(RUNS, immutable=immutable)
    assert trusts(compiled, right)
    for claim in (*RUNS, "aud", "sub"):
        for value in (*VALUES.get(claim, [])[1:], "other"):
            assert not trusts(compiled, {**right, f"{HOST}:{claim}": value}), (claim, value)
        assert not trusts(compiled, {k: v for k, v in right.items() if k != f"{HOST}:{claim}"})


@pytest.mark.parametrize(
    ("changes", "sign", "said"),
    [
        ({"ref": "refs/heads/*"}, {}, "crosses"),
        ({"repository": "acme/*"}, {}, "crosses"),
        ({"environment": "a?b"}, {}, "mean something"),
        ({"environment": "${aws:x}"}, {}, "mean something"),
        ({}, {"key": "arn:aws:kms:eu-central-1:111122223333:alias/**"}, "not the whole ARN"),
        ({}, {"key": [KEY, KEY.replace("1111", "4444")]}, "several accounts"),
        ({}, {"key": None}, "no key"),
        ({}, {"provider": "kms", "key": "alias/a"}, "no rule"),
    ],
)
def test_what_would_be_wider_is_refused(
    changes: dict[str, str], sign: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        compile_policy(policy({**RUNS, **changes}, **sign))
    assert caught.value.code == "policy-not-compilable"


def test_permissions_are_of_that_key_and_algorithm_only() -> None:
    [role] = compile_policy(policy(RUNS))["roles"]
    known: dict[str, str | list[str]] = {
        "kms:ResourceAliases": ["alias/audit"], "kms:SigningAlgorithm": "ECDSA_SHA_256",
    }  # fmt: skip
    permissions = role["permissions-policy"]
    assert allows(permissions, "kms:Sign", known)
    assert not allows(permissions, "kms:Sign", {**known, "kms:SigningAlgorithm": "ECDSA_SHA_384"})
    assert not allows(permissions, "kms:Sign", {**known, "kms:ResourceAliases": ["alias/other"]})
    assert not allows(permissions, "kms:Decrypt", known)
    assert {one["Resource"] for one in permissions["Statement"]} == {
        KEY.split("alias/")[0] + "key/*"
    }


def test_what_aws_cannot_express_is_listed_also_in_terraform() -> None:
    compiled = compile_policy(policy({**RUNS, "event_name": "push"}, max_audit_file="1MB"))
    for word in ("event_name", "max_audit_file"):
        assert any(word in line for line in compiled["not-expressed"])
        assert word in json.dumps(terraform(compiled)["//"])
    [role] = terraform(compiled)["resource"]["aws_iam_role"].values()
    assert json.loads(role["assume_role_policy"]) == compiled["roles"][0]["trust-policy"]
