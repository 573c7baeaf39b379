"""The commands ``signer policy check`` and ``signer policy compile``."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from signer.cli import parser
from signer.errors import UsageError
from signer.gate.policy import load
from signer.log import TerminalLog

POLICY = """version: 1
rules:
  - name: nightly
    runs:
      repository: acme/payments
      repository_id: "123"
      environment: production
    may_sign_with:
      provider: [aws_kms_sdk, azure_kv_sdk]
      key:
        - arn:aws:kms:eu-central-1:111122223333:alias/audit
        - https://acme-audit.vault.azure.net/keys/audit
      algorithm: ES256
      max_audit_file: 5MB
      max_key_age: 365d
"""
CLAIMS = {
    "repository": "acme/payments",
    "repository_id": "123",
    "environment": "production",
    "event_name": "push",
    "runner_environment": "github-hosted",
}


@pytest.fixture
def policy(tmp_path: Path) -> str:
    path = tmp_path / "policy.yml"
    path.write_text(POLICY)
    return str(path)


def run(*command: str) -> int:
    arguments = parser().parse_args(["policy", *command])
    code: int = arguments.run(arguments, {}, TerminalLog({}))
    return code


def check(folder: Path, policy: str, claims: Any, *more: str) -> int:
    (folder / "claims.json").write_text(json.dumps(claims))
    return run("check", policy, "--claims", str(folder / "claims.json"), *more)


def test_check_says_what_the_deciding_rule_lets_sign_with(
    tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, policy, CLAIMS, "--json") == 0
    assert json.loads(capsys.readouterr().out)["may-sign-with"] == {
        "provider": ["aws_kms_sdk", "azure_kv_sdk"],
        "key": [
            "arn:aws:kms:eu-central-1:111122223333:alias/audit",
            "https://acme-audit.vault.azure.net/keys/audit",
        ],
        "algorithm": ["ECDSA_SHA_256"],
        "minimum_assurance": "digest",
        "max_audit_file": 5_000_000,
        "max_key_age": "365 days",
        "plain_signature": False,
    }
    assert check(tmp_path, policy, CLAIMS) == 0
    out = capsys.readouterr().out
    for line in ("algorithm: ECDSA_SHA_256", "max_audit_file: 5000000", "plain_signature: false"):
        assert f"\n  {line}\n" in out
    assert check(tmp_path, policy, {**CLAIMS, "environment": "x"}, "--json") == 4
    assert "may-sign-with" not in json.loads(capsys.readouterr().out)


def test_check_names_every_rule_that_may_decide(
    tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    [head, rule] = POLICY.split("  - name: nightly\n")
    lax = rule.replace("max_key_age: 365d", "max_key_age: 900d")
    assert lax != rule
    Path(policy).write_text(f"{head}  - name: nightly\n{rule}  - name: lax\n{lax}")
    assert check(tmp_path, policy, CLAIMS) == 0
    out = capsys.readouterr().out
    assert out.startswith("decides: nightly\n")
    assert "\nwhere its key, algorithm or limits do not fit, decides: lax\n" in out
    assert "  max_key_age: 900 days\n" in out
    assert check(tmp_path, policy, CLAIMS, "--json") == 0
    fields = json.loads(capsys.readouterr().out)
    assert [one["rule"] for one in fields["matching"]] == ["nightly", "lax"]
    assert fields["rule"] == "nightly"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"event_name": "pull_request_target"}, "event_name is 'pull_request_target'"),
        ({"event_name": None}, "event_name is 'absent'"),
        (
            {"runner_environment": "self-hosted", "repository_visibility": "public"},
            "runner_environment is 'self-hosted', repository_visibility is 'public'",
        ),
    ],
)
def test_check_refuses_dangerous_runs_as_the_gate_does(
    tmp_path: Path,
    policy: str,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str | None],
    told: str,
) -> None:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    assert check(tmp_path, policy, claims) == 4
    out = capsys.readouterr().out
    assert "REFUSED, dangerous: " in out
    assert told in out
    assert check(tmp_path, policy, claims, "--json") == 4
    assert len(json.loads(capsys.readouterr().out)["dangerous"]) == 1


def test_no_name_in_a_policy_is_a_workflow_command(
    tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "##[set-output name=x;]1"
    Path(policy).write_text(POLICY.replace("name: ", f'name: "{hostile}" # ', 1))
    assert check(tmp_path, policy, {**CLAIMS, "environment": "::error::x"}) == 4
    out = capsys.readouterr().out
    assert "set-output" in out
    assert "##[" not in out


@pytest.mark.parametrize("cloud", ["aws", "azure", "github"])
def test_compile_prints_json_and_terraform_and_warns_of_what_is_left(
    policy: str, cloud: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("compile", policy, "--for", cloud, "--json") == 0
    told = capsys.readouterr()
    compiled = json.loads(told.out)
    assert compiled["steps" if cloud == "github" else "roles"]
    assert compiled["not-expressed"]
    for line in compiled["not-expressed"]:
        assert f"warning: {line}\n" in told.err
    assert run("compile", policy, "--for", cloud, "--terraform") == 0
    assert compiled["not-expressed"][0] in json.loads(capsys.readouterr().out)["//"]
    assert run("compile", policy, "--for", cloud) == 0
    out = capsys.readouterr().out
    assert "gh api --method PUT" in out if cloud == "github" else json.loads(out) == compiled


def test_github_is_given_the_digest_of_this_very_file(
    policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("compile", policy, "--for", "github", "--json")
    compiled = json.loads(capsys.readouterr().out)
    assert compiled["policy-digest"] == f"sha256:{load(Path(policy)).sha256}"


def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path, policy: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a regular file") as caught:
        run("check", str(tmp_path / "pipe"))
    assert caught.value.code == "policy-not-found"
    with pytest.raises(UsageError, match="not a regular file") as caught:
        run("check", policy, "--claims", str(tmp_path / "pipe"))
    assert caught.value.code == "claims-unreadable"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "not an object"),
        ("{", "cannot be read"),
        ('{"a": "' + "x" * (1 << 16) + '"}', "more than 65536 bytes"),
        ("[" * 60_000, "cannot be read"),
        (None, "No such file"),
    ],
)
def test_claims_that_cannot_be_read(
    tmp_path: Path, policy: str, content: str | None, said: str
) -> None:
    path = tmp_path / "claims.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=said) as caught:
        run("check", policy, "--claims", str(path))
    assert caught.value.code == "claims-unreadable"


def test_names_of_roles_are_never_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = ["a b", "a!b", "a/b", "リリース", "発行", "x" * 99 + "1", "x" * 99 + "2", "A.b", "a-b"]

    def names(*rules: str) -> list[str]:
        from signer.gate.compile.aws import compile_policy

        path = tmp_path / "policy.yml"
        rule = POLICY.split("rules:\n")[1]
        whole = [
            rule.replace("nightly", json.dumps(name)).replace("123", str(every.index(name)))
            for name in rules
        ]
        path.write_text("version: 1\nrules:\n" + "".join(whole))
        return [role["name"] for role in compile_policy(load(path).policy)["roles"]]

    found = names(*every)
    assert len(set(found)) == len(every)
    assert re.fullmatch("policy-audit-a-b-[0-9a-f]{8}", found[0])
    assert all(len(name) <= 64 for name in found)
    # A role's name does not depend on the other rules.
    assert names("発行", "a!b") == [found[4], found[1]]
    monkeypatch.setattr("signer.gate.compile.rules._role_name", lambda *_: "one")
    with pytest.raises(UsageError, match="rename one"):
        names("a b", "a-b")


@pytest.mark.parametrize("cloud", ["aws", "azure"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("acme/payments", "acme/other"),
        ('"123"', '"124"'),
        ("alias/audit", "alias/other"),
        ("keys/audit", "keys/other"),
        ("ES256", "ES384"),
        ("version: 1", "version: 1\nissuer: https://github.example"),
    ],
)
def test_a_rule_that_opens_something_else_has_another_role(
    policy: str, capsys: pytest.CaptureFixture[str], cloud: str, old: str, new: str
) -> None:
    """Else the commands of the docs would join one rule's trust to another rule's key."""
    names = []
    for text in (POLICY, POLICY.replace(old, new), POLICY.replace("5MB", "6MB")):
        Path(policy).write_text(text)
        assert run("compile", policy, "--for", cloud, "--json") == 0
        [role] = json.loads(capsys.readouterr().out)["roles"]
        names.append(role["name"])
    assert names[0] != names[1]
    assert names[0] == names[2]
