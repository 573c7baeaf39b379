"""The whole examination: from a terminal, in a run: step and in the action."""

import ast
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signer import cli
from signer.action import act
from signer.doctor import examine as examining
from signer.doctor.check import fail
from signer.doctor.findings import Findings
from signer.errors import ProviderError
from signer.kms.service import EmbeddedKms
from signer.log import Log, RunnerLog
from signer.process import _outcome
from tests.azure_stand_in.tokens import encode
from tests.unit import runner
from tests.unit.support import SECRET, RecordedLog

ROOT = Path(__file__).parents[3]
Doctor = Callable[..., tuple[int, str, str]]


@pytest.fixture
def doctor(
    audit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    """Run ``signer doctor`` in this process, in the audit file's folder; nothing may be made."""
    monkeypatch.chdir(audit.parent)
    for name in list(os.environ):
        if name.startswith(("POLICY_", "GITHUB_", "ACTIONS_", "RUNNER_", "AWS_", "AZURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(audit.parent / ".data"))
    monkeypatch.setenv("COLUMNS", "100")
    codes: list[int] = []

    def run(job: Callable[[], int], log: Log) -> None:
        codes.append(_outcome(job, log))

    monkeypatch.setattr(cli, "run", run)

    def call(*arguments: str, **environ: str) -> tuple[int, str, str]:
        before = sorted(audit.parent.rglob("*"))
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["signer", "doctor", *arguments])
            try:
                cli.main()
            except SystemExit as ended:
                codes.append(int(ended.code or 0))
        assert sorted(audit.parent.rglob("*")) == before
        said = capsys.readouterr()
        return codes.pop(), said.out, said.err

    return call


def _statuses(text: str) -> dict[str, str]:
    checks = json.loads(text)["checks"]
    return {check["name"]: check["status"] for check in checks}


def test_nothing_is_set(doctor: Doctor) -> None:
    code, out, err = doctor()
    assert (code, err) == (0, "")
    rows = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert rows[0] == "ok    settings        provider sha256"
    assert rows[-1] == "2 ok, 1 warn, 0 fail, 9 skip"
    assert re.search(r"^warn  key  .*integrity only", out, re.MULTILINE)


def test_json(doctor: Doctor) -> None:
    code, out, err = doctor("--json", "audit.jsonl", "--provider", "kms")
    fields = json.loads(out)
    assert (code, fields["ok"], err) == (0, True, "")
    names = [check["name"] for check in fields["checks"]]
    assert len(set(names)) == len(names)
    assert _statuses(out)["audit-files"] == _statuses(out)["outputs"] == "ok"
    assert all(
        {"name", "status", "detail", "fix"} == check.keys() - {"code"} for check in fields["checks"]
    )


def test_every_problem_with_the_settings_and_what_does_not_need_them(doctor: Doctor) -> None:
    code, out, _ = doctor(
        "--json", "--provider", "nope", "--algorithm", "none", "--aws-region", "eu",
        GITHUB_ACTIONS="true", GITHUB_WORKSPACE="/nonexistent",
    )  # fmt: skip
    checks = json.loads(out)["checks"]
    assert code == 2
    problems = [check for check in checks if check["name"] == "settings"]
    assert len(problems) == 3
    assert {check["code"] for check in problems} == {"setting-invalid"}
    assert all(check["fix"] for check in problems)
    found = _statuses(out)
    assert (found["workspace"], found["token"], found["key"]) == ("warn", "skip", "skip")


def test_failures_do_not_hide_each_other(doctor: Doctor, audit: Path) -> None:
    EmbeddedKms(audit.parent / ".data/policy-audit-signer/kms").ensure_alias(
        "alias/policy-audit", "ECC_NIST_P256"
    )
    (audit.parent / "policy.yml").write_text("version: 1\nrules: []\n")
    (audit.parent / "audit.jsonl.pub").touch()
    code, out, _ = doctor(
        "--json", "audit.jsonl", "--provider", "kms", "--signing-policy", "policy.yml",
        "--minimum-assurance", "managed-key",
    )  # fmt: skip
    found = _statuses(out)
    assert code == 2
    failed = sorted(name for name, status in found.items() if status == "fail")
    assert failed == ["assurance", "outputs", "signing-policy"]
    assert (found["key"], found["key-age"], found["signing-rule"]) == ("ok", "ok", "skip")


def test_the_exit_code_is_the_worst(doctor: Doctor, audit: Path) -> None:
    (audit.parent / "policy.yml").write_text(
        "version: 1\nrules: [{name: x, runs: {repository: a/b}, may_sign_with: {provider: kms}}]"
    )
    given = ("--provider", "kms", "--kms-key", "12345678-1234-1234-1234-123456789012")
    assert doctor(*given, "--algorithm", "none")[0] == 2
    assert doctor(*given, "none.jsonl")[0] == 3
    assert doctor(*given, "none.jsonl", "--signing-policy", "policy.yml")[0] == 4


def test_settings_come_from_the_environment_too(doctor: Doctor) -> None:
    code, out, _ = doctor(
        "--json",
        POLICY_SIGNING_PROVIDER="kms",
        POLICY_KMS_KEY="alias/mine",
        POLICY_AUDIT_FILE="audit.jsonl",
        POLICY_MODE="sign",
    )
    assert code == 0
    assert json.loads(out)["checks"][0]["detail"] == "provider kms, key alias/mine"
    assert _statuses(out)["audit-files"] == "ok"
    code, _, err = doctor(POLICY_MODE="verify")
    assert (code, "error[setting-conflict]" in err) == (2, True)


def test_a_key_without_public_key_has_none_in_the_way(doctor: Doctor, audit: Path) -> None:
    EmbeddedKms(audit.parent / ".data/policy-audit-signer/kms").ensure_alias(
        "alias/policy-audit", "HMAC_256"
    )
    (audit.parent / "audit.jsonl.pub").touch()
    code, out, _ = doctor("--json", "audit.jsonl", "--provider", "kms")
    assert (code, _statuses(out)["outputs"]) == (0, "ok")


def test_the_age_of_an_old_key(doctor: Doctor, audit: Path) -> None:
    directory = audit.parent / ".data/policy-audit-signer/kms"
    EmbeddedKms(directory).ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    [path] = directory.glob("key-*.json")
    path.write_text(re.sub('"created": "20..', '"created": "2020', path.read_text()))
    code, out, _ = doctor("--provider", "kms")
    assert code == 0
    assert re.search(r"^warn  key-age  .*made 2020-", out, re.MULTILINE)


def test_no_secret_is_printed(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = "a secret that was fetched from a store"

    def leak(chosen: Any) -> Any:
        def look(settings: Any, host: Any, found: Findings) -> None:
            host.mask(fetched)
            error = ProviderError("aws-failed", f"it said {SECRET} and {fetched}", fix=SECRET)
            found.add(fail("key", error))

        return look

    monkeypatch.setattr(examining, "_looker", leak)
    for option in ("--json", "--github", "--provider=hmac"):
        code, out, err = doctor(option, POLICY_SIGNING_KEY=SECRET)
        rest = [line for line in out.splitlines() if not line.startswith("::add-mask::")]
        assert code == 3
        assert "it said *** and ***" in "\n".join(rest)
        assert SECRET not in "\n".join(rest) + err
        assert fetched not in "\n".join(rest) + err


def test_what_nobody_foresaw_of_a_key_hides_nothing(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(settings: Any, host: Any, found: Findings) -> None:
        raise ProviderError("aws-failed", "it said something new", fix="look it up")

    monkeypatch.setattr(examining, "_looker", lambda _: look)
    code, out, _ = doctor("--json", "audit.jsonl")
    found = _statuses(out)
    assert (code, found["key"], found["outputs"], found["key-age"]) == (3, "fail", "ok", "skip")


class Step:
    """A step of a job."""

    def __init__(self, workspace: Path) -> None:
        self.environ = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_OUTPUT": str(workspace / ".output"),
            "GITHUB_STEP_SUMMARY": str(workspace / ".summary"),
            "HOME": str(workspace / ".home"),
        }
        for name in (".output", ".summary"):
            (workspace / name).touch()

    def read(self, name: str) -> str:
        return Path(self.environ[name]).read_text()


@pytest.fixture
def step(audit: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    monkeypatch.chdir(audit.parent)
    return Step(audit.parent)


def test_a_run_step(doctor: Doctor, step: Step, audit: Path) -> None:
    (audit.parent / "audit.jsonl.pub").touch()
    given = ("--github", "audit.jsonl", "--provider", "kms")
    code, out, err = doctor(*given, **step.environ)
    assert (code, err) == (2, "")
    found = [one for one in runner.commands(out) if one.name != "add-mask"]
    assert [(one.name, one.title) for one in found] == [
        ("error", "policy audit: output-exists"),
        ("warning", "policy audit: key"),
    ]
    assert "ok    runner-files" in out
    assert "signing would NOT work" in step.read("GITHUB_STEP_SUMMARY")
    assert step.read("GITHUB_OUTPUT") == ""


def test_mode_doctor_of_the_action(step: Step, audit: Path) -> None:
    inputs = {
        "INPUT_MODE": "doctor",
        "INPUT_PROVIDER": "kms",
        "INPUT_AUDIT-FILE": "audit.jsonl",
        "INPUT_EXPECT": "ref=x",
    }
    log = RecordedLog()
    assert act({**step.environ, **inputs}, log, container=False) == 0
    assert any(line.startswith("ok    outputs") for line in log.infos)
    assert [line.split(": ")[1] for line in log.warnings] == ["unused input", "key"]
    assert "signing would work" in step.read("GITHUB_STEP_SUMMARY")
    assert step.read("GITHUB_OUTPUT") == ""
    assert not Path(step.environ["HOME"]).exists()
    inputs |= {"INPUT_SHOW-SUMMARY": "false", "INPUT_AUDIT-FILE": "none.jsonl"}
    before = step.read("GITHUB_STEP_SUMMARY")
    assert act({**step.environ, **inputs}, log, container=False) == 2
    assert step.read("GITHUB_STEP_SUMMARY") == before
    assert log.errors[-1].code == "audit-file-not-found"


def test_a_forks_run_that_may_be_skipped(step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    fork = {
        **step.environ,
        "GITHUB_EVENT_NAME": "push",
        "GITHUB_ACTOR": "dependabot[bot]",
        "POLICY_SIGNING_KEY": "",
        "INPUT_MODE": "doctor",
        "INPUT_PROVIDER": "hmac",
    }
    assert act({**fork, "INPUT_IF-UNAUTHORIZED": "skip"}, RunnerLog(fork), container=False) == 0
    assert "skip  settings  nothing was signed" in capsys.readouterr().out
    assert act(fork, RunnerLog(fork), container=False) == 2
    assert "title=policy audit%3A secret-empty" in capsys.readouterr().out


def test_the_clock_goes_by_the_token(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    claims = json.dumps({"sub": "repo:acme/payments", "iat": 1_000_000_000}).encode()
    token = f"e30.{encode(claims)}.{encode(b'signature')}"
    monkeypatch.setattr("signer.doctor.identity.request_token", lambda *_: token)
    offered = {"ACTIONS_ID_TOKEN_REQUEST_URL": "x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer"}
    for more in ((), ("--provider", "nope")):
        code, out, _ = doctor(*more, **offered)
        assert code == 3
        assert re.search(r"^fail  clock  .* ahead of the token's", out, re.MULTILINE)
        assert "sub repo:acme/payments" in out
        assert token not in out


def test_every_check_is_documented_and_no_other() -> None:
    names = set()
    for path in (ROOT / "signer" / "doctor").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call) and name in ("ok", "warn", "fail", "skip"):
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    names.add(first.value)
    documented = set()
    table = (ROOT / "docs" / "doctor.md").read_text().split("| check | what it looks at |")[1]
    for line in table.split("\n\n")[0].splitlines()[2:]:
        documented |= set(re.findall(r"`([a-z-]+)`", line.split("|")[1]))
    assert documented == names
