"""The signing policy: strict YAML, a strict schema, globs, and rules that can never match."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from signer.assurance import Assurance
from signer.cli import parser
from signer.errors import GateError, UsageError
from signer.gate import globs
from signer.gate.matching import Request, ask, no_rule
from signer.gate.policy import SigningPolicy, load
from signer.log import TerminalLog

GOOD = """version: 1
rules:
  - name: nightly
    runs:
      repository: acme/payments
      repository_id: 0123
      ref: refs/heads/main
      ref_protected: true
      event_name: [push, schedule]
    may_sign_with: {provider: kms, max_audit_file: 5MB}
"""
CLAIMS = {
    "repository": "acme/payments",
    "repository_id": "0123",
    "ref": "refs/heads/main",
    "ref_protected": "true",
    "event_name": "push",
}


def loaded(tmp_path: Path, text: str | bytes) -> SigningPolicy:
    path = tmp_path / "policy.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path).policy


def test_every_scalar_is_text(tmp_path: Path) -> None:
    policy = loaded(tmp_path, GOOD)
    assert policy.rules[0].runs.repository_id == ("0123",)
    assert ask(policy, CLAIMS).rule is policy.rules[0]


@pytest.mark.parametrize("name", CLAIMS)
def test_default_deny_names_what_is_missed(tmp_path: Path, name: str) -> None:
    policy = loaded(tmp_path, GOOD)
    for claims in ({**CLAIMS, name: "x"}, {k: v for k, v in CLAIMS.items() if k != name}):
        answer = ask(policy, claims)
        assert answer.rule is None
        assert name in no_rule(answer).message


BAD_YAML: dict[str, str | bytes] = {
    "bomb": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "alias": GOOD.replace("0123", "&id '1'"),
    "tag": GOOD.replace("0123", "!!python/object/apply:os.system [id]"),
    "merge": GOOD.replace("repository: acme", "<<: *x\n      repository: acme"),
    "duplicate": GOOD.replace("repository_id:", "ref:"),
    "two documents": GOOD + "---\n" + GOOD,
    "deep": "[" * 60_000,
    "key that is a list": "? [a]\n: b\n",
    "control character": GOOD.replace("nightly", "night\x07ly"),
    "not UTF-8": b"version: \xff",
    "unclosed": "version: [1",
}


@pytest.mark.timeout(20)  # a bomb would take for ever
@pytest.mark.parametrize("name", BAD_YAML)
def test_yaml_that_is_not_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, BAD_YAML[name])
    assert caught.value.code == "policy-not-yaml"


def test_large_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="65536"):
        loaded(tmp_path, GOOD + "#" * 70_000)
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "no.yml")
    (tmp_path / "policy.yml").write_text(GOOD)
    with pytest.raises(GateError, match="pinned"):
        load(tmp_path / "policy.yml", sha256="0" * 64)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: nightly", "name: nightly\n    run: 1", "did you mean runs?"),
        ("provider: kms,", "provider: kms, max_key_ag: 1d,", "did you mean max_key_age?"),
        ("version: 1", "version: 1\nisuer: x", "did you mean issuer?"),
        ("ref:", "reff:", "rules.1.runs.reff: there is no such field; did you mean ref?"),
        ("version: 1", "version: 2", "version"),
        ("name: nightly", 'name: "night\\nly"', "rules.1.name: has a character"),
        ("acme/payments", '"\\u202eacme/payments"', "has a character that cannot be seen"),
        ("acme/payments", "acme-payments", "no repository looks like"),
        ("acme/payments", "'*'", "no repository looks like"),
        ("acme/payments", "'acme/${file(1)}'", "no repository looks like"),
        ("acme/payments", "acme/pay:ments", "no repository looks like"),
        ("acme/payments", "acme/päyments", "no repository looks like"),
        ("acme/payments", "acme@1/payments@2", "no repository looks like"),
        ("acme/payments", "acme/pay ments**", "no repository looks like"),
        ("acme/payments", "acme/", "no repository looks like"),
        ("acme/payments", "a" * 40 + "/" + "b" * 100, "no repository looks like"),
        ("acme/payments", "acme/..", "no repository looks like"),
        ("acme/payments", "./payments", "no repository looks like"),
        ("0123", "abc", "no repository_id looks like"),
        ("0123", "1" * 21, "no repository_id looks like"),
        ("0123", "1" * 400, "no repository_id looks like"),
        ("0123", "1*" + "1" * 20, "no repository_id looks like"),
        ("refs/heads/main", "main", "no ref looks like"),
        ("refs/heads/main", "refs/***", "three stars"),
        ("refs/heads/main", "refs/heads/" + "*a" * 7, "more than 6 stars"),
        ("refs/heads/main", "refs/heads/" + "a" * 1024, "longer than 1024"),
        ("ref_protected: true", "ref_protected: yes", "no ref_protected"),
        ("[push, schedule]", "pusg", "no event_name"),
        ("[push, schedule]", "[]", "at least 1"),
        ("[push, schedule]", "pull_request_target", "allow_dangerous"),
        ("provider: kms,", "provider: kms, minimum_assurance: managed-key,", "kms gives"),
        ("provider: kms,", "provider: kms, algorithm: MD5,", "MD5"),
        ("provider: kms,", "provider: kms, minimum_assurance: software-key, algorithm: HS256,",
         "HMAC_SHA_256 gives shared-secret at most"),
        ("provider: kms,", "provider: kms, algorithm: SHA_256, minimum_assurance: shared-secret,",
         "SHA_256 gives digest at most"),
        ("provider: kms,", "provider: aws_kms_sdk, key: alias/audit,", "compared in full"),
        ("provider: kms,", "provider: [aws_kms, aws_kms_sdk], key: alias/x,", "compared in full"),
        ("provider: kms,", "provider: azure_kv, key: 'https://v.vault.azure.net/secrets/a',",
         "compared in full"),
        ("provider: kms,", "provider: kms, key: policy-audit,", "compared in full"),
        ("      repository: acme/payments\n      repository_id: 0123\n", "", "no repository"),
        ("version: 1", "version: 1\nissuer: http://example.org", "https"),
        ("version: 1", "version: 1\nissuer: https://example.org/", "must not end with /"),
        ("event_name:", "workflow_ref: acme/other/.github/workflows/a.yml@x\n      event_name:",
         "of another repository"),
        ("ref_protected: true\n", "environment: prod\n", "identity: environment"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_an_error(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = GOOD.replace(old, new)
    if said == "identity: environment":
        text = text.replace("version: 1", "version: 1\nidentity: environment")
    assert text != GOOD
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == "policy-invalid"
    assert said in caught.value.message
    assert "tuple should have at least 1 item after validation, not 0" not in caught.value.message


@pytest.mark.parametrize(
    "name", ["a/b", "A-b_c/.github", "acme/x.y-z_0", "acme/...", "acme/*", "**", "*/x", "ac**"]
)
def test_names_of_repositories(tmp_path: Path, name: str) -> None:
    policy = loaded(tmp_path, GOOD.replace("acme/payments", f"'{name}'"))
    assert policy.rules[0].runs.repository == (name,)


@given(st.text(alphabet="aZ0_.-/*${}%: @\u00e9", max_size=12))
def test_a_repository_has_only_what_github_allows_in_a_name(name: str) -> None:
    runs = {"repository": name}
    rules = [{"name": "one", "runs": runs, "may_sign_with": {"provider": "kms"}}]
    try:
        SigningPolicy.model_validate({"version": "1", "rules": rules})
    except ValidationError:
        return
    assert not set(name) & set("${}%: @\u00e9")
    if "*" not in name:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", name)


@pytest.mark.parametrize("number", ["1", "9" * 20, "12*", "*"])
def test_ids(tmp_path: Path, number: str) -> None:
    policy = loaded(tmp_path, GOOD.replace("0123", f"'{number}'"))
    assert policy.rules[0].runs.repository_id == (number,)


@pytest.mark.parametrize(
    "runs",
    [
        {"repository": "**"},
        {"repository": "*/payments"},
        {"repository": "acme*/payments"},
        {"repository": ["acme/payments", "*/*"]},
        {"repository_id": "*"},
        {"repository_id": ["123", "12*"]},
        {"repository_owner_id": "1*"},
        {"workflow_ref": "**"},
        {"job_workflow_ref": "*/*/.github/workflows/*@**"},
        {"job_workflow_ref": "acme/ci/.github/workflows/sign.yml@refs/tags/v1"},
        {"repository": "**", "workflow_ref": "**"},
    ],
)
def test_a_rule_that_anybodys_run_matches(runs: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="anybody's run would match"):
        SigningPolicy.model_validate(_policy(runs))
    SigningPolicy.model_validate(_policy({**runs, "repository_id": "123"}))


@pytest.mark.parametrize("claim", ["workflow_ref", "job_workflow_ref"])
@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("acme/ci/.github/workflows/*@refs/heads/main", True),
        ("acme/ci/.github/workflows/*@refs/heads/**", True),
        ("acme/ci/**", True),
        ("acme/ci/**@refs/heads/main", False),
        ("acme/ci/.github/workflows/**.yml@refs/tags/v1", False),
    ],
)
def test_no_branch_of_a_chosen_name_passes_for_another(
    claim: str, pattern: str, fits: bool
) -> None:
    # A branch may be called evil@refs/heads/main.
    policy = _policy({"repository": "acme/ci", claim: pattern})
    if fits:
        SigningPolicy.model_validate(policy)
        return
    with pytest.raises(ValidationError, match=r"\*\* before the @"):
        SigningPolicy.model_validate(policy)


@pytest.mark.parametrize(
    ("may", "runs"),
    [
        ({"provider": "sha256", "algorithm": "ECDSA_SHA_256"}, {}),
        ({"provider": "hmac", "algorithm": "ECDSA_SHA_256"}, {}),
        ({"provider": "hmac", "algorithm": "HMAC_SHA_512"}, {}),
        ({"provider": "aws_kms_sdk", "algorithm": "SHA_256"}, {}),
        ({"provider": "azure_kv_sdk", "algorithm": "ED25519_SHA_512"}, {}),
        ({"provider": "azure_kv", "algorithm": "ML_DSA_SHAKE_256"}, {}),
        ({"provider": "azure_kv", "algorithm": "HMAC_SHA_224"}, {}),
        ({"provider": "kms", "max_audit_file": "0B"}, {}),
        ({"provider": "kms"}, {"event_name": "push", "ref": "refs/pull/1/merge"}),
        ({"provider": "kms"}, {"event_name": ["push", "schedule"], "ref": "refs/pull/**"}),
    ],
)
def test_a_rule_that_never_matches(may: dict[str, str], runs: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="can never match"):
        SigningPolicy.model_validate(_policy({"repository": "acme/payments", **runs}, **may))


@pytest.mark.parametrize(
    "may",
    [
        {"provider": "sha256", "algorithm": "SHA_256"},
        {"provider": "hmac", "algorithm": "HMAC_SHA_256"},
        {"provider": ["hmac", "kms"], "algorithm": "ECDSA_SHA_256"},
        {"provider": "aws_kms", "algorithm": "ML_DSA_SHAKE_256"},
        {"provider": "azure_kv", "algorithm": "ES256K"},
    ],
)
def test_an_algorithm_of_the_provider(may: dict[str, Any]) -> None:
    runs = {"repository": "acme/payments", "event_name": "pull_request", "ref": "refs/pull/*/merge"}
    SigningPolicy.model_validate(_policy(runs, **may))


def _policy(runs: dict[str, Any], **may: Any) -> dict[str, Any]:
    rule = {"name": "one", "runs": runs, "may_sign_with": {"provider": "kms", **may}}
    return {"version": "1", "rules": [rule]}


@pytest.mark.parametrize(
    "hidden", ["\u2028", "\u2029", "\x85", "\u202e", "\u200b", "\ufeff", "\x07"]
)
def test_nothing_is_hidden_in_a_comment(tmp_path: Path, hidden: str) -> None:
    # To PyYAML the first three end the line, and with it the comment.
    with pytest.raises(UsageError, match=r"line 2 has a character that cannot be seen \(U\+"):
        loaded(tmp_path, GOOD.replace("\n", f"\n# one rule{hidden}  - name: hidden\n", 1))
    loaded(tmp_path, GOOD.replace("\n", "\r\n").replace("rules:", "# \u00e9t\u00e9\t\r\nrules:"))


@pytest.mark.parametrize("text", ['a: "\\U00110000"', 'a: "\\UFFFFFFFF"', "%YAML " + "1" * 5000])
def test_what_pyyaml_itself_fails_at(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == "policy-not-yaml"


def test_a_policy_without_rules(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rules: must have at least 1 item"):
        loaded(tmp_path, "version: 1\nrules: []\n")


def test_rules_that_repeat_one(tmp_path: Path) -> None:
    again = GOOD.split("rules:\n")[1]
    with pytest.raises(UsageError, match="two rules"):
        loaded(tmp_path, GOOD + again)
    with pytest.raises(UsageError, match="never decide"):
        loaded(tmp_path, GOOD + again.replace("nightly", "other"))


@pytest.mark.parametrize(
    ("pattern", "text", "wanted"),
    [
        ("a/*", "a/b", True), ("a/*", "a/b/c", False), ("a/**", "a/b/c", True), ("a/*", "a/", True),
        ("a/b", "a/b-evil", False), ("a/b", "A/b", False), ("a.b", "axb", False),
        ("[a]", "a", False), ("?", "a", False), ("*", "a\n", True), ("a", "a\n", False),
        ("**/x", "a/b/x", True), ("*x*", "axb", True), ("", "", True),
    ],
)  # fmt: skip
def test_globs(pattern: str, text: str, wanted: bool) -> None:
    assert globs.matches(pattern, text) is wanted


TEXTS = st.text(alphabet="ab/", max_size=4)
PATTERNS = (
    st.lists(st.sampled_from(["a", "b", "/", "*", "**"]), max_size=4)
    .map("".join)
    .filter(lambda pattern: "***" not in pattern)
)


@given(PATTERNS, PATTERNS, TEXTS)
def test_overlap_never_denies_a_common_text(one: str, two: str, text: str) -> None:
    if globs.matches(one, text) and globs.matches(two, text):
        assert globs.overlap(one, two)


@given(PATTERNS, TEXTS)
def test_globs_are_what_a_regular_expression_would_make_of_them(pattern: str, text: str) -> None:
    forms = {"**": "(?s:.*)", "*": "[^/]*"}
    parts = re.findall(r"\*\*|\*|.", pattern, re.DOTALL)
    expression = "".join(forms.get(part) or re.escape(part) for part in parts)
    assert globs.matches(pattern, text) is bool(re.fullmatch(expression, text))


@pytest.mark.timeout(10)  # a matcher that goes back and forth would take years
def test_a_name_that_somebody_chose_does_not_hold_the_gate_up() -> None:
    assert not globs.matches("refs/heads/" + "**a" * 20 + "b", "refs/heads/" + "a" * 2000)


def test_what_may_be_signed_with(tmp_path: Path) -> None:
    policy = loaded(tmp_path, GOOD.replace("kms,", "kms, algorithm: ES256, key: alias/a,"))
    good = {
        "provider": "kms",
        "keys": ("alias/a",),
        "algorithm": "ECDSA_SHA_256",
        "size": 5_000_000,
    }
    bad: list[dict[str, Any]] = [
        {"provider": "hmac"}, {"keys": ("alias/b",)}, {"algorithm": "ECDSA_SHA_384"},
        {"size": 5_000_001}, {"plain_signature": True},
    ]  # fmt: skip
    for change in [{}, *bad]:
        request = Request(**{"assurance": Assurance.SOFTWARE_KEY, **good, **change})
        assert (ask(policy, CLAIMS, request).rule is None) is bool(change), change


HOSTED = {"event_name": "push", "runner_environment": "github-hosted"}


def test_check_explains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "policy.yml").write_text(GOOD)
    for ref, code in (("refs/heads/main", 0), ("refs/heads/evil", 4)):
        (tmp_path / "claims.json").write_text(json.dumps({**CLAIMS, **HOSTED, "ref": ref}))
        command = ["policy", "check", str(tmp_path / "policy.yml"), "--claims"]
        arguments = parser().parse_args([*command, str(tmp_path / "claims.json"), "--json"])
        assert arguments.run(arguments, {}, TerminalLog({})) == code
        fields = json.loads(capsys.readouterr().out)
        [rule] = fields["explanation"]
        assert rule["matched"] is (code == 0)
        lines = {line["claim"]: line["matched"] for line in rule["claims"]}
        assert lines == {**dict.fromkeys(CLAIMS, True), "ref": code == 0}
