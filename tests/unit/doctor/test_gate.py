"""The signing policy as the doctor sees it: which rule decides, and claim by claim why none."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.doctor.check import Check
from signer.doctor.gate import decide, load_policy
from tests.unit.doctor.support import settings
from tests.unit.support import Keys

POLICY = """version: 1
{top}
rules:
  - name: main
    runs: {{repository: acme/payments, repository_id: "123", ref: refs/heads/main}}
    may_sign_with: {{provider: kms, key: alias/default, max_audit_file: 1KB}}
  - name: nightly
    runs: {{repository: acme/payments, event_name: schedule}}
    may_sign_with: {{provider: hmac}}
"""
OUTRIGHT = frozenset({"signing-policy-sha256"})
CLAIMS = {
    "repository": "acme/payments",
    "repository_id": "123",
    "ref": "refs/heads/main",
    "ref_protected": "true",
    "event_name": "push",
    "runner_environment": "github-hosted",
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yml"
    path.write_text(POLICY.format(top=""))
    return path


def _decide(
    policy: Path,
    claims: dict[str, str] | None,
    keys: Keys | None,
    *,
    size: int | None = None,
    environ: dict[str, str] | None = None,
    created: datetime | None = None,
    **given: Any,
) -> tuple[str | None, Check]:
    chosen = settings(signing_policy=policy, provider="kms", kms_key="alias/default", **given)
    gate, check = load_policy(chosen, environ or {})
    assert gate is not None, check
    rule, decision = decide(gate, claims, keys.open() if keys else None, chosen, size, created)
    return rule.name if rule else None, decision


def test_a_policy_that_is_not_pinned_counts_on_protected_refs(policy: Path, keys: Keys) -> None:
    check = load_policy(settings(signing_policy=policy), {})[1]
    assert (check.status, "2 rules" in check.detail) == ("ok", True)
    assert "not pinned" in check.detail
    assert hashlib.sha256(policy.read_bytes()).hexdigest() in check.detail
    name, decision = _decide(policy, {**CLAIMS, "ref_protected": "false"}, keys)
    assert (name, decision.status, decision.code) == (None, "fail", "policy-not-protected")
    pin = hashlib.sha256(policy.read_bytes()).hexdigest()
    unprotected = {**CLAIMS, "ref_protected": "false"}
    name, decision = _decide(policy, unprotected, keys, signing_policy_sha256=pin)
    assert (name, decision.code) == (None, "policy-not-protected")
    name, decision = _decide(
        policy, unprotected, keys, signing_policy_sha256=pin, outright=OUTRIGHT
    )
    assert (name, decision.status) == ("main", "ok")


def test_the_rule_that_decides(policy: Path, keys: Keys) -> None:
    name, check = _decide(policy, CLAIMS, keys, size=10)
    assert (name, check.status, check.detail) == ("main", "ok", "'main' allows this")
    assert "any size" in _decide(policy, CLAIMS, keys)[1].detail


def test_why_none_does_rule_by_rule(policy: Path, keys: Keys) -> None:
    name, check = _decide(policy, {**CLAIMS, "ref": "refs/heads/x"}, keys, size=1001)
    assert (name, check.status, check.code, check.exit_code) == (None, "fail", "not-allowed", 4)
    _, main, nightly = check.detail.split("\n")
    assert main == (
        "- main: ref is 'refs/heads/x', wanted refs/heads/main; "
        "max_audit_file is '1001 bytes', wanted 1000 bytes"
    )
    assert "- nightly: event_name is 'push', wanted schedule; provider is 'kms'" in nightly


def test_a_key_that_is_too_old_for_its_rule(policy: Path, keys: Keys) -> None:
    text = POLICY.format(top="").replace("max_audit_file: 1KB", "max_key_age: 30d")
    policy.write_text(text)
    days = timedelta(days=1)
    now = datetime.now(UTC)
    name, check = _decide(policy, CLAIMS, keys, created=now - 29 * days)
    assert (name, check.status) == ("main", "ok")
    for created, said in ((now - 31 * days, "31 days"), (None, "not known")):
        name, check = _decide(policy, CLAIMS, keys, created=created)
        assert (name, check.status, check.code) == ("main", "fail", "not-allowed")
        assert f"max_key_age is '{said}" in check.detail
    # What is not allowed for another reason has no limit to speak of.
    name, check = _decide(policy, {**CLAIMS, "ref": "x"}, keys, created=now - 31 * days)
    assert (name, check.status) == (None, "fail")


def test_a_long_policy_is_told_in_part(tmp_path: Path, keys: Keys) -> None:
    rule = "  - {{name: r{0}, runs: {{repository: a/r{0}}}, may_sign_with: {{provider: kms}}}}"
    policy = tmp_path / "long.yml"
    policy.write_text("\n".join(["version: 1", "rules:", *(rule.format(n) for n in range(25))]))
    lines = _decide(policy, CLAIMS, keys)[1].detail.split("\n")
    assert (len(lines), lines[-1]) == (22, "- and 5 more")


def test_without_a_key_only_the_run_is_looked_at(policy: Path) -> None:
    name, check = _decide(policy, CLAIMS, None, size=10**9)
    assert (name, check.status) == ("main", "skip")
    assert "'main' fits this run" in check.detail
    assert _decide(policy, {**CLAIMS, "ref": "x"}, None)[1].code == "not-allowed"


def test_a_dangerous_run(policy: Path, keys: Keys) -> None:
    claims = {**CLAIMS, "runner_environment": "self-hosted", "repository_visibility": "public"}
    name, check = _decide(policy, claims, keys)
    assert (name, check.status, check.code, check.exit_code) == (None, "fail", "dangerous-run", 4)
    assert "self_hosted_in_public" in check.detail


def test_no_claims(policy: Path, keys: Keys) -> None:
    assert _decide(policy, None, keys)[1].status == "skip"


def test_the_environments_word_is_warned_of(policy: Path, keys: Keys) -> None:
    policy.write_text(POLICY.format(top="identity: environment"))
    environ = {f"GITHUB_{name.upper()}": value for name, value in CLAIMS.items()}
    environ["RUNNER_ENVIRONMENT"] = "github-hosted"
    check = load_policy(settings(signing_policy=policy), environ)[1]
    assert (check.status, "identity: environment" in check.detail) == ("warn", True)
    assert "counts nowhere" in check.detail
    assert _decide(policy, None, keys, environ=environ)[1].code == "policy-not-protected"
    pin = hashlib.sha256(policy.read_bytes()).hexdigest()
    said = _decide(
        policy, None, keys, environ=environ, signing_policy_sha256=pin, outright=OUTRIGHT
    )
    assert said[0] == "main"


def test_no_policy_or_one_that_does_not_load(tmp_path: Path, policy: Path) -> None:
    gate, check = load_policy(settings(), {})
    assert (gate, check.status) == (None, "skip")
    assert (
        decide(None, CLAIMS, None, settings(), None, None)[1].detail == "no signing-policy is set"
    )
    for chosen, code, exit_code in (
        (settings(signing_policy=tmp_path / "none.yml"), "policy-not-found", 2),
        (
            settings(signing_policy=policy, signing_policy_sha256="0" * 64),
            "policy-not-pinned-one",
            4,
        ),
    ):
        gate, check = load_policy(chosen, {})
        assert (gate, check.status, check.code, check.exit_code) == (None, "fail", code, exit_code)
        assert "see signing-policy" in decide(None, CLAIMS, None, chosen, None, None)[1].detail
