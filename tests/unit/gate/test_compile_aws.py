"""What is compiled for AWS is never wider than the gate, and no narrower where it can say it."""

from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from signer.errors import UsageError
from signer.gate.compile.aws import AUDIENCE, EXPRESSIBLE, compile_policy
from signer.gate.matching import ask
from signer.gate.policy import SigningPolicy
from tests.unit.gate.iam import allows
from tests.unit.gate.strategies import cases, hostile_cases
from tests.unit.gate.tokens import HOST, only, subject

ASSUME = "sts:AssumeRoleWithWebIdentity"
KEYS = "arn:aws:kms:eu-central-1:111122223333:"
KEY = f"{KEYS}alias/audit"
ENTERPRISE = "github.example/_services/token"

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
    "environment": ["production", "production2", "a/b", "x:ref:refs/heads/main", "a/payments:b"],
    "actor": ["ann", "eve"],
}
PATTERNS = {
    "repository": [*VALUES["repository"], "acme/**", "acme/pay**", "acme/**s"],
    "repository_id": VALUES["repository_id"],
    "job_workflow_ref": [*VALUES["job_workflow_ref"], "acme/ci/**"],
    "ref": ["refs/heads/main", "refs/heads/**", "refs/**/b"],
    "environment": ["production", "prod**", "**"],
    "actor": ["ann", "e**"],
}


def policy(runs: dict[str, Any], *, issuer: str = HOST, **sign: Any) -> SigningPolicy:
    may = {"provider": "aws_kms_sdk", "key": KEY, "algorithm": "ECDSA_SHA_256", **sign}
    rules = [{"name": "one", "runs": runs, "may_sign_with": may}]
    return SigningPolicy.model_validate(
        {"version": "1", "issuer": f"https://{issuer}", "rules": rules}
    )


def context(claims: dict[str, str], *, immutable: bool) -> dict[str, str | list[str]]:
    """What STS knows of a token with these claims."""
    told: dict[str, str | list[str]] = {
        f"{HOST}:{claim}": claims[claim] for claim in EXPRESSIBLE if claim in claims
    }
    sub = subject(claims, immutable=immutable)
    return {**told, f"{HOST}:sub": sub, f"{HOST}:aud": AUDIENCE}


def trusts(compiled: dict[str, Any], known: dict[str, str | list[str]]) -> bool:
    """Whether a role trusts a token, which comes from the issuer that the keys begin with."""
    [host] = {key.rpartition(":")[0] for key in known}
    provider = f"arn:aws:iam::111122223333:oidc-provider/{host}"
    return any(
        allows(role["trust-policy"], ASSUME, known, federated=provider)
        for role in compiled["roles"]
    )


@settings(max_examples=300)
@given(st.one_of(cases(VALUES, PATTERNS), hostile_cases(VALUES, PATTERNS)), st.booleans())
def test_the_gate_and_the_trust_policy_agree(
    case: tuple[dict[str, Any], dict[str, str]], immutable: bool
) -> None:
    named, claims = case
    rules = policy(named)
    try:
        compiled = compile_policy(rules)
    except UsageError:
        event("refused")
        return
    allowed = ask(rules, claims).rule is not None
    assert trusts(compiled, context(claims, immutable=immutable)) == allowed


@settings(max_examples=300)
@example(
    (
        {"repository": ["acme/**"], "ref": ["refs/heads/main"]},
        {**RUNS, "ref": "refs/tags/main", "environment": "x:ref:refs/heads/main"},
    ),
    (False, False),
)
@given(
    cases(VALUES, PATTERNS),
    # A server that has subjects with ids escapes.
    st.sampled_from([(False, False), (False, True), (True, True)]),
)
def test_an_enterprises_trust_policy_is_never_wider(
    case: tuple[dict[str, Any], dict[str, str]], subjects: tuple[bool, bool]
) -> None:
    immutable, escaped = subjects
    named, claims = case
    rules = policy(named, issuer=ENTERPRISE)
    try:
        compiled = compile_policy(rules)
    except UsageError:
        event("refused")
        return
    sub = subject(claims, immutable=immutable, escaped=escaped)
    trusted = trusts(compiled, {f"{ENTERPRISE}:sub": sub, f"{ENTERPRISE}:aud": AUDIENCE})
    context_ = "environment" if "environment" in named else "ref"
    allowed = ask(only(rules, {"repository", context_}), claims).rule is not None
    told = "environment" in named or "ref" not in named or "environment" not in claims
    # Subjects with ids say more: the rule's, where it names some.
    seen = {"repository", context_, *(["repository_id"] if immutable else [])}
    allowed = allowed and ask(only(rules, seen), claims).rule is not None
    assert trusted == allowed if told and escaped else not trusted or allowed
    for claim in named.keys() - {"repository", context_}:
        assert any(f": {claim} must be" in line for line in compiled["not-expressed"])


@settings(max_examples=400)
@example(
    (
        {"repository": ["**/payments"], "repository_id": ["123"]},
        {**RUNS, "repository": "evil/r", "environment": "a/payments:b"},
    ),
)
@given(hostile_cases(VALUES, PATTERNS))
def test_no_name_of_an_environment_opens_an_enterprises_role(
    case: tuple[dict[str, Any], dict[str, str]],
) -> None:
    named, claims = case
    rules = policy(named, issuer=ENTERPRISE)
    try:
        compiled = compile_policy(rules)
    except UsageError:
        event("refused")
        return
    sub = subject(claims, immutable=False, escaped=False)
    seen = only(rules, {"repository", "environment" if "environment" in named else "ref"})
    trusted = trusts(compiled, {f"{ENTERPRISE}:sub": sub, f"{ENTERPRISE}:aud": AUDIENCE})
    assert not trusted or ask(seen, claims).rule is not None


@pytest.mark.parametrize("immutable", [False, True])
def test_the_right_run_and_each_wrong_one(immutable: bool) -> None:
    compiled = compile_policy(policy(RUNS))
    right = context(RUNS, immutable=immutable)
    assert trusts(compiled, right)
    for claim in (*RUNS, "aud", "sub"):
        for value in (*VALUES.get(claim, [])[1:], "other"):
            assert not trusts(compiled, {**right, f"{HOST}:{claim}": value}), (claim, value)
        assert not trusts(compiled, {k: v for k, v in right.items() if k != f"{HOST}:{claim}"})
    [statement] = compiled["roles"][0]["trust-policy"]["Statement"]
    assert statement["Condition"]["StringEquals"][f"{HOST}:aud"] == [AUDIENCE]


@pytest.mark.parametrize(
    ("changes", "sign", "said"),
    [
        ({"ref": "refs/heads/*"}, {}, "crosses"),
        ({"repository": "acme/*"}, {}, "crosses"),
        ({"repository": "acme**"}, {}, "not OWNER/NAME"),
        ({"repository": None}, {}, "no repository"),
        ({"environment": "a?b"}, {}, "means something"),
        ({"environment": "${aws:x}"}, {}, "means something"),
        ({}, {"key": "arn:aws:kms:eu-central-1:111122223333:alias/**"}, "not the whole ARN"),
        ({}, {"key": f"{KEY}\u00fc"}, "not the whole ARN"),
        ({}, {"key": [KEY, KEY.replace("1111", "4444")]}, "several accounts"),
        ({}, {"key": None}, "no key"),
        ({}, {"provider": ["aws_kms", "sha256"], "algorithm": "SHA_256"}, "no key signs with"),
        ({"repository": [f"acme/{'r' * 90}{n}" for n in range(20)]}, {}, "4096 characters"),
        ({}, {"key": [f"{KEYS}key/{n}" for n in range(40)]}, "10240 characters"),
        ({}, {"provider": "kms", "key": "alias/a"}, "no rule"),
        ({}, {"provider": ["kms", "aws_kms"], "key": "alias/a"}, "no key"),
    ],
)  # fmt: skip
def test_what_would_be_wider_is_refused(
    changes: dict[str, Any], sign: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        compile_policy(policy({**RUNS, **changes}, **sign))
    assert caught.value.code == "policy-not-compilable"


@pytest.mark.parametrize(
    "runs",
    [
        {"repository": "acme/**", "ref": "refs/tags/v1"},
        {"repository": "**/payments", "repository_id": "123"},
        {"repository": "**/**", "repository_id": "123"},
        {"repository": ["acme/payments", "acme/**s"]},
    ],
)
def test_an_enterprises_subject_may_have_no_glob_before_its_end(runs: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="subject only"):
        compile_policy(policy(runs, issuer=ENTERPRISE))


def test_an_enterprises_repositories_may_end_in_a_glob() -> None:
    compiled = compile_policy(policy({"repository": "acme/pay**"}, issuer=ENTERPRISE))
    for repository, trusted in (("acme/payments", True), ("acme/other", False)):
        sub = f"repo:{repository}:environment:a/pay:b"
        known: dict[str, str | list[str]] = {
            f"{ENTERPRISE}:sub": sub,
            f"{ENTERPRISE}:aud": AUDIENCE,
        }
        assert trusts(compiled, known) is trusted


@pytest.mark.parametrize("issuer", [HOST, ENTERPRISE])
def test_a_subject_with_ids_has_the_rules(issuer: str) -> None:
    """The owner's id is no condition of STS: it is in such subjects only."""
    runs = {"repository": "acme/payments", "repository_owner_id": ["7", "8"]}
    compiled = compile_policy(policy(runs, issuer=issuer))
    for owner, trusted in (("7", True), ("8", True), ("666", False), ("77", False)):
        known: dict[str, str | list[str]] = {
            f"{issuer}:sub": f"repo:acme@{owner}/payments@123:ref:refs/heads/x",
            f"{issuer}:repository": "acme/payments",
            f"{issuer}:aud": AUDIENCE,
        }
        assert trusts(compiled, known) is trusted
    assert any("repository_owner_id must be 7 or 8" in line for line in compiled["not-expressed"])


@pytest.mark.parametrize(
    "issuer",
    [
        "https://github.example:8443/_services/token",
        "https://github.example/*",
        "https://github.example/${aws:username}",
        "https://GitHub.example/_services/token",
        "https://github.example/a?b",
        "HTTPS://token.actions.githubusercontent.com",
        "https://user@github.example",
        "https://github.example//x",
    ],
)
def test_an_issuer_that_no_provider_of_iam_has_is_refused(issuer: str) -> None:
    rules = policy(RUNS).model_copy(update={"issuer": issuer})
    with pytest.raises(UsageError, match="issuer is") as caught:
        compile_policy(rules)
    assert caught.value.code == "policy-not-compilable"


def test_a_long_trust_policy_is_listed() -> None:
    runs = {**RUNS, "repository": [f"acme/{'r' * 60}{n}" for n in range(10)]}
    compiled = compile_policy(policy(runs))
    assert any("IAM takes 2048 unless" in line for line in compiled["not-expressed"])
    assert not any("IAM takes" in line for line in compile_policy(policy(RUNS))["not-expressed"])


def test_many_values_are_refused_at_once() -> None:
    """A product of all of them would take minutes."""
    many: dict[str, Any] = {
        "repository": [f"acme/r{n}" for n in range(200)],
        "environment": [f"e{n}" for n in range(200)],
        "repository_id": [str(n) for n in range(200)],
        "repository_owner_id": [str(n) for n in range(200)],
    }
    with pytest.raises(UsageError, match="4096 characters"):
        compile_policy(policy(many, issuer=ENTERPRISE))


@pytest.mark.parametrize(("partition", "told"), [("aws", False), ("aws-cn", True)])
def test_the_audience_in_another_partition_is_listed(partition: str, told: bool) -> None:
    compiled = compile_policy(policy(RUNS, key=KEY.replace("arn:aws:", f"arn:{partition}:")))
    assert any(f"audience {AUDIENCE}" in line for line in compiled["not-expressed"]) is told


def test_what_aws_cannot_express_is_listed() -> None:
    compiled = compile_policy(policy({**RUNS, "event_name": "push"}, max_audit_file="1MB"))
    for word in ("event_name", "max_audit_file", "the policy: unless signing-policy-sha256"):
        assert any(word in line for line in compiled["not-expressed"])
