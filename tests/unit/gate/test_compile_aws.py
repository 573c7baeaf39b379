"""What is compiled for AWS is never wider than the gate, and no narrower where it can say it."""

from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from signer.assurance import Assurance
from signer.crypto.algorithms import ALGORITHMS, Scheme
from signer.errors import UsageError
from signer.gate.compile.aws import AUDIENCE, EXPRESSIBLE, compile_policy
from signer.gate.matching import Request, ask
from signer.gate.policy import SigningPolicy
from tests.unit.gate.iam import allows, may_use_key
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
    "repository": [*VALUES["repository"], "acme/**", "acme/pay**", "**/payments", "**me/**"],
    "repository_id": VALUES["repository_id"],
    "job_workflow_ref": [*VALUES["job_workflow_ref"], "acme/ci/**@refs/**"],
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
        {"repository": ["**/payments"]},
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
        ({}, {"algorithm": "SHA_256"}, "no key signs with SHA_256"),
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
        {"repository": "**/payments"},
        {"repository": "**/**"},
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
    [role] = compile_policy(policy(RUNS, algorithm=named, key=f"{KEYS}{key}"))["roles"]
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
