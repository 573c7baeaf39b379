"""What is compiled for Azure is never wider than the gate, and no narrower where it can say it."""

from typing import Any

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from signer.assurance import Assurance
from signer.errors import UsageError
from signer.gate.compile.azure import AUDIENCE, compile_policy
from signer.gate.matching import Request, ask
from signer.gate.policy import SigningPolicy
from signer.providers.azure import access
from tests.unit.gate.entra import accepts, may
from tests.unit.gate.strategies import cases, hostile_cases
from tests.unit.gate.tokens import HOST, only, subject

VAULT = "https://acme-audit.vault.azure.net/keys/"
KEY = f"{VAULT}audit"
SIGN = "Microsoft.KeyVault/vaults/keys/sign/action"
SCOPES = (
    "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP"
    "/providers/Microsoft.KeyVault/vaults/{}/keys/{}"
)
WORKFLOW = "acme/ci/.github/workflows/sign.yml@refs/heads/main"
RUNS: dict[str, Any] = {
    "repository": "acme/payments",
    "repository_id": "123",
    "repository_owner_id": "7",
    "job_workflow_ref": WORKFLOW,
    "environment": "production",
}
CLAIMS: dict[str, str] = {**RUNS, "ref": "refs/heads/main", "event_name": "push"}
VALUES: dict[str, list[str]] = {
    "repository": ["acme/payments", "acme/payments-evil", "evil/payments", "Acme/payments"],
    "repository_id": ["123", "1234"],
    "repository_owner_id": ["7", "77"],
    "job_workflow_ref": [WORKFLOW, "evil/ci/.github/workflows/sign.yml@refs/x"],
    "ref": ["refs/heads/main", "refs/heads/main/x", "refs/tags/main", "refs/pull/1/merge"],
    "environment": ["production", "production2", "a/b", "prod:1", "prod%3A1", "Production", "x:"],
    "event_name": ["push", "pull_request"],
    "actor": ["ann", "eve"],
}
PATTERNS = {
    **VALUES,
    "repository": [*VALUES["repository"], "acme/**"],
    "job_workflow_ref": [*VALUES["job_workflow_ref"], "acme/ci/**"],
    "ref": ["refs/heads/main", "refs/heads/**", "refs/**/x", "refs/pull/**", "refs/**"],
    "environment": ["production", "a/b", "prod**", "**", "**A"],
}


ANY: dict[str, Any] = {"repository": ["acme/payments"], "repository_id": ["123"]}


def policy(runs: dict[str, Any], *, issuer: str = HOST, **sign: Any) -> SigningPolicy:
    may = {"provider": "azure_kv_sdk", "key": KEY, **sign}
    rules = [{"name": "one", "runs": runs, "may_sign_with": may}]
    return SigningPolicy.model_validate(
        {"version": "1", "issuer": f"https://{issuer}", "rules": rules}
    )


def token(
    claims: dict[str, str], *, immutable: bool, issuer: str = HOST, escaped: bool = True
) -> dict[str, str]:
    sub = subject(claims, immutable=immutable, escaped=escaped)
    return {**claims, "sub": sub, "iss": f"https://{issuer}", "aud": AUDIENCE}


def trusts(compiled: dict[str, Any], shown: dict[str, str]) -> bool:
    return any(
        accepts(one, shown) for role in compiled["roles"] for one in role["federated-credentials"]
    )


IDS = st.sampled_from([[], ["repository_id"], ["repository_owner_id"]])


def seen_by_entra(named: dict[str, Any]) -> set[str]:
    """The claims that a compiled rule holds a run to."""
    seen = {"repository", "repository_id", "repository_owner_id", "job_workflow_ref"}
    if "environment" in named:
        return {*seen, "environment"}
    if "ref" in named:
        return {*seen, "ref"}
    return {*seen, "event_name"} if named.get("event_name") == ["pull_request"] else seen


@settings(max_examples=400)
@example(({**ANY, "environment": ["**A"]}, {**CLAIMS, "environment": "x:"}), False)
@example(({**ANY, "environment": ["prod%3A1"]}, {**CLAIMS, "environment": "prod:1"}), True)
@given(IDS.flatmap(lambda ids: cases(VALUES, PATTERNS, ids)), st.booleans())
def test_the_gate_and_the_credentials_agree(
    case: tuple[dict[str, Any], dict[str, str]], immutable: bool
) -> None:
    named, run = case
    try:
        rules = policy(named)
        compiled = compile_policy(rules)
    except (UsageError, ValidationError):  # no run of a push has a pull request's ref
        event("refused")
        return
    seen = seen_by_entra(named)
    allowed = ask(only(rules, seen), run).rule is not None
    trusted = trusts(compiled, token(run, immutable=immutable))
    # Narrower, and listed: a subject with an environment has no ref, one with ids needs them.
    hidden = "environment" in run and seen & {"ref", "event_name"}
    without_ids = immutable and not named.keys() & {"repository_id", "repository_owner_id"}
    assert trusted == (allowed and not hidden and not without_ids)
    for claim in named.keys() - seen:
        assert any(f": {claim} must be" in line for line in compiled["not-expressed"])
    if hidden:
        assert any("name the environment" in line for line in compiled["not-expressed"])
    if without_ids:
        assert any("names no id" in line for line in compiled["not-expressed"])


@settings(max_examples=200)
@given(
    st.one_of(cases(VALUES, PATTERNS), hostile_cases(VALUES, PATTERNS)),
    st.booleans(),
    st.booleans(),
)
def test_another_issuers_credentials_are_never_wider(
    case: tuple[dict[str, Any], dict[str, str]], immutable: bool, escaped: bool
) -> None:
    named, run = case
    try:
        rules = policy(named, issuer="github.example/_services/token")
        compiled = compile_policy(rules)
    except (UsageError, ValidationError):  # no run of a push has a pull request's ref
        event("refused")
        return
    shown = token(
        run, immutable=immutable, issuer="github.example/_services/token", escaped=escaped
    )
    seen = seen_by_entra(named) & {"repository", "environment", "ref", "event_name"}
    assert not trusts(compiled, shown) or ask(only(rules, seen), run).rule is not None
    assert not trusts(compiled, token(run, immutable=immutable))
    for claim in named.keys() - seen:
        assert any(f": {claim} must be" in line for line in compiled["not-expressed"])


KEYS = st.sampled_from([KEY, f"{KEY}2", f"{VAULT}other", KEY.replace("acme-audit", "evil")])


@given(st.lists(KEYS, min_size=1, max_size=2, unique=True), KEYS)
def test_the_role_allows_the_rules_keys_only(keys: list[str], asked: str) -> None:
    rules = policy(RUNS, key=keys)
    [role] = compile_policy(rules)["roles"]
    _, _, host, _, name = asked.split("/")
    scope = SCOPES.format(host.split(".")[0], name)
    request = Request("azure_kv_sdk", (asked,), "ECDSA_SHA_256", Assurance.MANAGED_KEY)
    assert may(role, SIGN, scope) == (ask(rules, CLAIMS, request).rule is not None)
    for action in ("decrypt/action", "unwrap/action", "write", "delete", "verify/action"):
        assert not may(role, f"Microsoft.KeyVault/vaults/keys/{action}", scope)


@pytest.mark.parametrize("immutable", [False, True])
def test_the_right_run_and_each_wrong_one(immutable: bool) -> None:
    compiled = compile_policy(policy(RUNS))
    right = token(CLAIMS, immutable=immutable)
    assert trusts(compiled, right)
    # One plain credential, for the form that GitHub's new repositories have, were it not for
    # job_workflow_ref.
    for claim in ("sub", "aud", "iss", "job_workflow_ref", "repository_id", "repository_owner_id"):
        for value in (*VALUES.get(claim, [])[1:], "other", f"{right[claim]} "):
            assert not trusts(compiled, {**right, claim: value}), (claim, value)


def test_a_subject_that_says_it_all_needs_no_expression() -> None:
    named = {name: RUNS[name] for name in RUNS if name != "job_workflow_ref"}
    [role] = compile_policy(policy(named))["roles"]
    by_name, immutable = role["federated-credentials"]
    assert immutable["subject"] == "repo:acme@7/payments@123:environment:production"
    assert by_name["claimsMatchingExpression"]["value"] == (
        "claims['sub'] eq 'repo:acme/payments:environment:production' "
        "and claims['repository_owner_id'] eq '7' and claims['repository_id'] eq '123'"
    )
    assert access.AUDIENCE in by_name["audiences"]


@pytest.mark.parametrize(
    ("changes", "sign", "said"),
    [
        ({"repository": "acme/*"}, {}, "crosses"),
        ({"repository": "acme**"}, {}, "not OWNER/NAME"),
        ({"repository": None}, {}, "no repository"),
        ({"repository_id": "12*"}, {}, "crosses"),
        ({"repository_id": "12**"}, {}, "eq only"),
        ({"environment": "it's"}, {}, "means something"),
        ({"environment": "a?**"}, {}, "means something"),
        ({}, {"provider": ["azure_kv", "kms"], "algorithm": "ED25519_SHA_512"}, "no key of Azure"),
        ({"environment": "a\\"}, {}, "means something"),
        ({}, {"provider": ["azure_kv", "sha256"], "algorithm": "SHA_256"}, "no key signs with"),
        ({"environment": "a:b"}, {}, "alike"),
        ({"environment": "**b"}, {}, "part of %3A"),
        ({"environment": None, "ref": "refs/pull/1/merge"}, {}, "has no ref"),
        ({"repository_id": None, "repository_owner_id": None}, {}, "no one exact subject"),
        ({"environment": [f"e{number}" for number in range(11)]}, {}, "more than 20"),
        ({"environment": "e" * 600}, {}, "600"),
        ({}, {"key": f"{VAULT}**"}, "not the whole identifier"),
        ({}, {"key": "https://vault.example/keys/audit"}, "not the whole identifier"),
        ({}, {"key": None}, "no key"),
        ({}, {"provider": "kms", "key": "alias/a"}, "no rule"),
    ],
)  # fmt: skip
def test_what_would_be_wider_is_refused(
    changes: dict[str, Any], sign: dict[str, Any], said: str
) -> None:
    rules = policy({**RUNS, **changes}, **sign)
    with pytest.raises(UsageError, match=said) as caught:
        compile_policy(rules)
    assert caught.value.code == "policy-not-compilable"


@pytest.mark.parametrize("immutable", [False, True])
def test_another_issuer_is_trusted_by_its_subject(immutable: bool) -> None:
    compiled = compile_policy(policy(RUNS, issuer="github.example"))
    shown = token(CLAIMS, immutable=immutable, issuer="github.example")
    assert trusts(compiled, shown)
    assert not trusts(compiled, {**shown, "sub": f"{shown['sub']}2"})


def test_many_values_are_refused_at_once() -> None:
    many = {name: [f"acme/{name}{n}" for n in range(200)] for name in ("repository",)}
    many["environment"] = [f"e{n}" for n in range(200)]
    many["repository_id"] = [str(n) for n in range(200)]
    many["job_workflow_ref"] = [f"acme/ci/w{n}@x" for n in range(200)]
    with pytest.raises(UsageError, match="more than 20"):
        compile_policy(policy(many))


@pytest.mark.parametrize(
    ("key", "scoped", "said"),
    [
        (f"{KEY}/{'0' * 32}", True, "every version"),
        (f"{KEY}/*", True, None),
        ("https://acme-hsm.managedhsm.azure.net/keys/audit", False, "Managed HSM"),
        ("https://acme-audit.vault.usgovcloudapi.net/keys/audit", True, "sovereign cloud"),
        ("https://acme-audit.vault.azure.cn/keys/audit", True, "sovereign cloud"),
    ],
)
def test_versions_and_managed_hsms_are_listed(key: str, scoped: bool, said: str | None) -> None:
    compiled = compile_policy(policy(RUNS, key=key))
    [role] = compiled["roles"]
    assert [one["key"] for one in role["role-assignments"]] == ["audit"] * scoped
    told = [line for line in compiled["not-expressed"] if key in line]
    assert [said in line for line in told] == [True] * len(told) if said else not told
    assert bool(told) is (said is not None)


def test_a_name_in_upper_case_is_listed_and_is_the_same_key() -> None:
    compiled = compile_policy(policy(RUNS, key=[f"{VAULT}Audit", KEY]))
    assert len(compiled["roles"][0]["role-assignments"]) == 1
    [line] = [line for line in compiled["not-expressed"] if "have no case" in line]
    assert f"{VAULT}Audit" in line


@pytest.mark.parametrize(
    ("runs", "issuer", "count"),
    [
        ({"environment": ["p", "p"]}, HOST, 2),
        ({"repository": ["acme/a", "acme/a"], "environment": "p"}, HOST, 2),
        # By name once; with ids, once for each.
        ({"repository_id": ["1", "2"], "environment": "p"}, "github.example", 3),
        ({"job_workflow_ref": [WORKFLOW, f"{WORKFLOW}2"], "environment": "p"}, "github.example", 2),
    ],
)
def test_no_credential_is_made_twice(runs: dict[str, Any], issuer: str, count: int) -> None:
    """An application takes each only once."""
    named = {"repository": "acme/a", "repository_id": "1", "repository_owner_id": "7", **runs}
    [role] = compile_policy(policy(named, issuer=issuer))["roles"]
    names = [one["name"] for one in role["federated-credentials"]]
    assert len(names) == len(set(names)) == count


def test_one_rule_never_opens_anothers_key() -> None:
    rules = [
        {"name": name, "runs": {"repository": f"acme/{name}", "repository_id": number},
         "may_sign_with": {"provider": ["azure_kv", "aws_kms"],
                           "key": [f"{VAULT}{name}", "arn:aws:kms:eu-west-1:111122223333:key/1"]}}
        for name, number in (("a", "1"), ("b", "2"), ("c", "3"))
    ]  # fmt: skip
    compiled = compile_policy(SigningPolicy.model_validate({"version": "1", "rules": rules}))
    assert len({role["name"] for role in compiled["roles"]}) == 3
    for role in compiled["roles"]:
        for name, number in (("a", "1"), ("b", "2"), ("c", "3")):
            own = role["rule"] == name
            run = {"repository": f"acme/{name}", "repository_id": number, "ref": "refs/heads/x"}
            for immutable in (False, True):
                shown = token(run, immutable=immutable)
                assert trusts({"roles": [role]}, shown) is own
            assert may(role, SIGN, SCOPES.format("acme-audit", name)) is own


def test_what_azure_cannot_express_is_listed() -> None:
    runs = {**RUNS, "ref": "refs/heads/main", "actor": "ann"}
    sign = {"algorithm": "ES256", "max_audit_file": "1MB"}
    lines = compile_policy(policy(runs, **sign))["not-expressed"]
    for word in (
        "the policy: unless signing-policy-sha256",
        "ref must be",
        "--for github",
        "actor",
        "ECDSA_SHA_256",
        "max_audit_file",
    ):
        assert any(word in line for line in lines), word
