"""The action: its description against the settings, and what a workflow gets back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from signer.action import act
from signer.errors import SettingsError, SignerError, UsageError
from signer.log import RunnerLog
from signer.settings.conflicts import NOT_YET
from signer.settings.models import SignSettings, VerifySettings, fields_of
from tests.unit import runner
from tests.unit.support import EVENTS, SECRET, RecordedLog, message_bundle, trusted_keys

ROOT = Path(__file__).parents[2]
DESCRIBED: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/pay",
    "GITHUB_REPOSITORY_ID": "77",
    "GITHUB_SHA": "0123456789abcdef",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_RUN_ID": "42",
}


def _plain(text: str) -> str:
    return "".join(text.split())


class Step:
    """One step of a job: an environment, and what the step leaves on the runner."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.log = RecordedLog()
        self.output, self.summary = workspace / ".output", workspace / ".summary"
        self.environ = {
            **RUN,
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "HOME": str(workspace / ".home"),
        }

    def run(self, environ: dict[str, str] | None = None, /, **inputs: str) -> int:
        for path in (self.output, self.summary):
            path.write_text("")
        given = {f"INPUT_{name.replace('_', '-').upper()}": value for name, value in inputs.items()}
        return act({**self.environ, **given, **(environ or {})}, self.log, container=False)

    def refuse(self, environ: dict[str, str] | None = None, /, **inputs: str) -> SignerError:
        with pytest.raises(SignerError) as caught:
            self.run(environ, **inputs)
        return caught.value

    @property
    def outputs(self) -> dict[str, str]:
        return runner.outputs(self.output.read_text())


@pytest.fixture
def step(audit: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    monkeypatch.chdir(audit.parent)
    return Step(audit.parent)


def test_the_inputs_are_the_settings() -> None:
    settings = {**fields_of(SignSettings), **fields_of(VerifySettings)}
    inputs = DESCRIBED["inputs"]
    assert set(inputs) == set(settings)
    for name, description in settings.items():
        # Folding breaks lines behind hyphens too.
        assert _plain(inputs[name]["description"]) == _plain(description)
        assert inputs[name]["required"] is False
        assert "default" not in inputs[name]


def test_a_setting_that_both_modes_have_means_the_same() -> None:
    sign, verify = fields_of(SignSettings), fields_of(VerifySettings)
    assert all(sign[name] == verify[name] for name in sign.keys() & verify.keys())
    assert not {"signing-key", *NOT_YET} & (sign.keys() | verify.keys())


def test_the_action_is_described_in_full() -> None:
    assert DESCRIBED["runs"] == {"using": "docker", "image": "Dockerfile"}
    assert {"icon", "color"} <= DESCRIBED["branding"].keys()
    assert len(DESCRIBED["description"]) < 300
    for output in DESCRIBED["outputs"].values():
        assert output["description"]
        assert "value" not in output


def test_every_output_is_declared_and_every_declared_one_is_given(step: Step) -> None:
    given: set[str] = set()
    step.run(audit_file="audit.jsonl", provider="kms", plain_signature="true")
    given |= step.outputs.keys()
    step.run(mode="verify", audit_file="audit.jsonl", public_key="audit.jsonl.pub")
    given |= step.outputs.keys()
    step.run(mode="verify", audit_file="audit.jsonl", integrity_only="true")
    given |= step.outputs.keys()
    pem = (step.workspace / "audit.jsonl.pub").read_text()
    (step.workspace / "trusted.yml").write_text(trusted_keys({"name": "one", "public_key": pem}))
    step.run(mode="verify", audit_file="audit.jsonl", trusted_keys="trusted.yml")
    given |= step.outputs.keys()
    step.run(audit_file="none", if_no_files_found="ignore")
    given |= step.outputs.keys()
    of_the_gate = {
        "identity-file",
        "key-created",
        "signing-policy-rule",
        "skipped",
    }  # tests/integration/gate
    assert given | of_the_gate == set(DESCRIBED["outputs"])
    assert not given & of_the_gate


def test_signing_gives_outputs_that_the_next_step_can_use(step: Step) -> None:
    assert step.run(audit_file="audit.jsonl", provider="kms") == 0
    outputs = step.outputs
    assert outputs["audit-digest"].startswith("sha256:")
    assert (outputs["event-count"], outputs["provider"]) == ("3", "kms")
    assert outputs["assurance"] == "software-key"
    assert "plain-signature-file" not in outputs
    assert outputs["files"].split("\n") == [
        "audit.jsonl", "audit.jsonl.sigstore.json", "audit.jsonl.pub",
    ]  # fmt: skip
    for line in (*outputs["files"].split("\n"), outputs["signed-audit-file"]):
        assert (step.workspace / line).is_file()
    [result] = json.loads(outputs["results"])
    assert result.pop("audit-file") == "audit.jsonl"
    assert {name: str(value) for name, value in result.items()} == {
        name: value for name, value in outputs.items() if name not in ("results", "files")
    }
    signed = json.loads((step.workspace / outputs["signed-audit-file"]).read_text())
    assert signed["dsseEnvelope"]["signatures"][0]["sig"] == outputs["signature"]
    summary = step.summary.read_text()
    for shown in ("audit.jsonl", "a simulation", "software-key", outputs["key-fingerprint"]):
        assert shown in summary


def test_several_files_give_results_of_all(step: Step) -> None:
    (step.workspace / "b.jsonl").write_bytes(EVENTS)
    assert step.run(audit_file="*.jsonl\n!none", provider="kms", show_summary="false") == 0
    results = json.loads(step.outputs["results"])
    assert [result["audit-file"] for result in results] == ["audit.jsonl", "b.jsonl"]
    assert step.outputs["signed-audit-file"] == "audit.jsonl.sigstore.json"
    assert len(step.outputs["files"].split("\n")) == 6
    assert step.summary.read_text() == ""


def test_the_fallbacks_follow_the_guide(step: Step) -> None:
    assert step.run(audit_file="audit.jsonl") == 0
    assert (step.outputs["provider"], step.outputs["assurance"]) == ("sha256", "digest")
    assert any("integrity only" in warning for warning in step.log.warnings)
    step.log.warnings.clear()
    secret = {"POLICY_SIGNING_KEY": SECRET}
    assert step.run(secret, audit_file="audit.jsonl", overwrite="true") == 0
    assert (step.outputs["provider"], step.outputs["assurance"]) == ("hmac", "shared-secret")
    assert step.log.warnings == []
    short = {"POLICY_SIGNING_KEY": "0123456789abcdef"}
    assert step.run(short, audit_file="audit.jsonl", overwrite="true") == 0
    assert len(step.log.warnings) == 1
    error = step.refuse({"POLICY_SIGNING_KEY": "short"}, audit_file="audit.jsonl")
    assert error.code == "hmac-key-too-short"
    assert "short " not in error.message


@pytest.mark.parametrize("provider", ["hmac", "sha256", ""])
def test_the_minimum_assurance_is_kept(step: Step, provider: str) -> None:
    secret = {"POLICY_SIGNING_KEY": SECRET} if provider == "hmac" else {}
    error = step.refuse(
        secret, audit_file="audit.jsonl", provider=provider, minimum_assurance="software-key"
    )
    assert (error.code, error.exit_code) == ("below-minimum-assurance", 2)
    assert step.outputs == {}
    assert not (step.workspace / "audit.jsonl.sigstore.json").exists()


def test_a_provider_that_was_chosen_never_falls_back(step: Step) -> None:
    (step.workspace / "kms").write_text("not a directory")
    error = step.refuse(
        {"POLICY_SIGNING_KEY": SECRET},
        audit_file="audit.jsonl", provider="kms", kms_directory="kms",
    )  # fmt: skip
    assert error.exit_code == 3
    assert not (step.workspace / "audit.jsonl.sigstore.json").exists()


def test_verifying_says_yes_or_why_not(step: Step) -> None:
    step.run(audit_file="audit.jsonl", provider="kms")
    key = step.workspace / "elsewhere" / "trusted.pub"
    key.parent.mkdir()
    key.write_bytes((step.workspace / "audit.jsonl.pub").read_bytes())
    said = {"mode": "verify", "audit_file": "audit.jsonl", "public_key": str(key)}
    assert step.run(**said) == 0
    assert (step.outputs["verified"], step.outputs["reason"]) == ("true", "verified")
    assert step.outputs["kind"] == "signed-audit"
    assert step.log.warnings == []
    assert "Policy audit verified" in step.summary.read_text()
    (step.workspace / "audit.jsonl").write_bytes(EVENTS + b"{}\n")
    assert step.run(**said) == 1
    assert (step.outputs["verified"], step.outputs["reason"]) == ("false", "altered-file")
    assert step.outputs["message"] == step.log.errors[-1].message
    assert "NOT verified" in step.summary.read_text()


def test_one_of_several_that_is_not_verified_decides(step: Step) -> None:
    (step.workspace / "b.jsonl").write_bytes(EVENTS)
    step.run(audit_file="*.jsonl", provider="kms")
    (step.workspace / "b.jsonl").write_bytes(EVENTS + b"{}\n")
    said = {"mode": "verify", "audit_file": "*.jsonl", "public_key": "audit.jsonl.pub"}
    assert step.run(**said) == 1
    assert (step.outputs["verified"], step.outputs["reason"]) == ("false", "altered-file")
    results = json.loads(step.outputs["results"])
    assert [result["verified"] for result in results] == [True, False]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"public_key": "missing.pub"}, "public-key-not-found"),
        ({"public_key": "audit.jsonl"}, "key-unreadable"),
        ({"public_key": "audit.jsonl.pub", "algorithm": "ES384"}, "algorithm-not-offered"),
        ({}, "trust-missing"),
        ({"public_key": "audit.jsonl.pub", "integrity_only": "true"}, "setting-conflict"),
        ({"public_key": "audit.jsonl.pub", "trusted_keys": "t.yml"}, "setting-conflict"),
        ({"trusted_keys": "missing.yml"}, "trusted-keys-not-found"),
        ({"trusted_keys": "audit.jsonl.pub"}, "trusted-keys-invalid"),
        ({"public_key": "audit.jsonl.pub", "audit_file": "missing"}, "audit-file-not-found"),
        ({"public_key": "audit.jsonl.pub", "audit_file": "sha256:00"}, "digest-malformed"),
        ({"public_key": "audit.jsonl.pub", "audit_file": "sha256:" + "0" * 64}, "setting-missing"),
        ({"public_key": "audit.jsonl.pub", "archive": "s3://x"}, "setting-not-supported"),
    ],
)
def test_a_question_that_cannot_be_put_is_answered_by_no(
    step: Step, inputs: dict[str, str], reason: str
) -> None:
    step.run(audit_file="audit.jsonl", provider="kms")
    error = step.refuse(**{"mode": "verify", "audit_file": "audit.jsonl", **inputs})
    assert error.code == reason
    assert (step.outputs["verified"], step.outputs["reason"]) == ("false", reason)


def test_a_signed_audit_that_is_missing_is_a_no(step: Step) -> None:
    assert step.run(mode="verify", audit_file="audit.jsonl", integrity_only="true") == 1
    assert step.outputs["reason"] == "bundle-not-found"


def test_a_name_that_an_upload_takes_for_a_pattern_is_warned_of(step: Step) -> None:
    step.run(audit_file="audit.jsonl")
    assert not any("pattern" in warning for warning in step.log.warnings)
    (step.workspace / "audit[1].jsonl").write_bytes(EVENTS)
    assert step.run(audit_file="audit?1?.jsonl") == 0
    [warning] = [warning for warning in step.log.warnings if "pattern" in warning]
    assert "upload-artifact takes audit[1].jsonl for a pattern" in warning


def test_the_log_says_what_was_verified(step: Step) -> None:
    step.run(audit_file="audit.jsonl")
    assert step.run(mode="verify", audit_file="audit.jsonl", integrity_only="true") == 0
    assert step.log.infos[-1].startswith("verified audit.jsonl: sha256:")


def test_nothing_to_verify_is_never_a_yes(step: Step) -> None:
    said = {"mode": "verify", "integrity_only": "true", "if_no_files_found": "ignore"}
    assert step.run(**said, audit_file="none*") == 2
    assert (step.outputs["verified"], step.outputs["results"]) == ("false", "[]")
    assert "NOT verified" in step.summary.read_text()
    error = step.refuse(mode="verify", integrity_only="true", audit_file="audit.jsonl\n!*")
    assert error.code == "audit-file-not-found"


def test_verifying_expects_its_own_repository(step: Step) -> None:
    step.run(audit_file="audit.jsonl", provider="kms")
    said = {"mode": "verify", "audit_file": "audit.jsonl", "public_key": "audit.jsonl.pub"}
    assert step.run({"GITHUB_REPOSITORY_ID": "78"}, **said) == 1
    assert step.outputs["reason"] == "unexpected-run"
    assert step.run({"GITHUB_REPOSITORY_ID": "78"}, **said, expect="repository_id=77") == 0
    assert step.run({"GITHUB_REPOSITORY_ID": "78"}, **said, expect="repository=*") == 0
    assert step.run({"GITHUB_REPOSITORY_ID": "78"}, **said, expect="run_id=42") == 1
    for line in ("repository=*", "repository_id=*", "repository_id=77"):
        # What an earlier step can set adds to the own repository, and takes nothing away.
        environ = {"GITHUB_REPOSITORY_ID": "78", "POLICY_EXPECT": line}
        assert step.run(environ, **said) == 1, line
    assert step.run({"GITHUB_REPOSITORY_ID": "78"}, **said, type="any") == 1
    assert step.run({"GITHUB_REPOSITORY_ID": ""}, **said) == 0  # by name
    error = step.refuse({"GITHUB_REPOSITORY_ID": "", "GITHUB_REPOSITORY": ""}, **said)
    assert error.code == "repository-unknown"
    assert step.outputs["verified"] == "false"


def test_a_key_beside_the_signed_audit_is_warned_of(step: Step) -> None:
    step.run(audit_file="audit.jsonl", provider="kms")
    step.log.warnings.clear()
    step.run(mode="verify", audit_file="audit.jsonl", public_key="./audit.jsonl.pub")
    assert len(step.log.warnings) == 1
    assert "same folder" in step.log.warnings[0]
    link = step.workspace / "trusted"
    link.mkdir()
    (link / "key.pub").symlink_to(step.workspace / "audit.jsonl.pub")
    step.log.warnings.clear()
    step.run(mode="verify", audit_file="audit.jsonl", public_key="trusted/key.pub")
    assert len(step.log.warnings) == 1


def test_trusted_keys_beside_the_signed_audit_are_warned_of(step: Step) -> None:
    step.run(audit_file="audit.jsonl", provider="kms")
    step.log.warnings.clear()
    pem = (step.workspace / "audit.jsonl.pub").read_text()
    text = trusted_keys({"name": "<b>one</b>", "public_key": pem})
    (step.workspace / "elsewhere").mkdir()
    for folder, warnings in (("elsewhere", 0), (".", 1)):
        (step.workspace / folder / "trusted.yml").write_text(text)
        path = f"{folder}/trusted.yml"
        assert step.run(mode="verify", audit_file="audit.jsonl", trusted_keys=path) == 0
        assert len(step.log.warnings) == warnings
    assert "same folder" in step.log.warnings[0]
    assert step.outputs["trusted-key"] == "<b>one</b>"
    assert step.outputs["message"].endswith("by the trusted key '<b>one</b>'")
    assert "&lt;b&gt;one" in step.summary.read_text()
    assert "the trusted key '<b>one</b>' (SHA256:" in step.log.infos[-1]


def test_a_message_signature_says_what_it_is(step: Step) -> None:
    from signer.providers import kms

    step.run(audit_file="audit.jsonl", provider="kms", kms_directory="kms")
    provider = kms.open_key("alias/policy-audit", step.workspace / "kms")
    (step.workspace / "m.json").write_bytes(message_bundle(EVENTS, provider))
    said = {"mode": "verify", "audit_file": "audit.jsonl", "public_key": "audit.jsonl.pub"}
    assert step.run(**said, bundle="m.json") == 1
    assert step.outputs["reason"] == "wrong-kind"
    assert step.run(**said, bundle="m.json", type="any") == 0
    assert step.outputs["kind"] == "message-signature"
    assert not {"assurance", "event-count", "merkle-root"} & step.outputs.keys()


def test_unknown_and_unused_inputs_are_warned_of(step: Step) -> None:
    step.run(audit_file="audit.jsonl", audit_fil="x", overwritten="x", bundle="x")
    said = "\n".join(step.log.warnings)
    assert "no input audit-fil; did you mean audit-file?" in said
    assert "did you mean overwrite?" in said
    assert "input bundle is not used in mode sign" in said


@pytest.mark.parametrize(
    "name", ["SIGNING-KEY", "SIGNING_KEY", "POLICY_SIGNING_KEY", "GITHUB-TOKEN"]
)
@pytest.mark.parametrize("value", [SECRET, ""])
def test_a_secret_passed_as_an_input_is_refused_even_when_it_is_empty(
    step: Step, name: str, value: str
) -> None:
    error = step.refuse({f"INPUT_{name}": value}, audit_file="audit.jsonl")
    assert isinstance(error, UsageError)
    assert error.code == "secret-as-input"
    assert SECRET not in error.message + error.fix


@pytest.mark.parametrize("name", NOT_YET)
def test_an_input_of_a_later_version_is_refused(step: Step, name: str) -> None:
    error = step.refuse(audit_file="audit.jsonl", **{name.replace("-", "_"): "x"})
    assert isinstance(error, SettingsError)
    assert error.code == "setting-not-supported"
    assert f"input {name}" in error.message


@pytest.mark.parametrize("mode", ["Verify", "check", "sign verify"])
def test_an_unknown_mode_is_an_error(step: Step, mode: str) -> None:
    error = step.refuse(mode=mode, audit_file="audit.jsonl")
    assert "input mode" in error.message
    assert step.outputs == {}


def test_an_environment_that_is_not_utf8(step: Step) -> None:
    error = step.refuse({"GITHUB_ACTOR": "caf\udce9"}, audit_file="audit.jsonl")
    assert error.code == "statement-not-utf8"
    assert step.run({"SOMETHING": "\udcff"}, audit_file="audit.jsonl") == 0


ATTACK = "\n::error::x\r::set-env name=A::b\n##[error]y%0A::warning::z<<EOF\nverified=true\nEOF"


def test_nothing_from_the_environment_breaks_out(
    step: Step, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {
        **RUN,
        **dict.fromkeys(("GITHUB_REF", "GITHUB_ACTOR", "GITHUB_WORKFLOW_REF"), ATTACK),
    }
    log = RunnerLog(environ)
    step.log = log  # type: ignore[assignment]
    assert step.run(environ, audit_file="audit.jsonl", provider="kms") == 0
    assert set(step.outputs) <= set(DESCRIBED["outputs"])
    step.run(
        mode="verify", audit_file="audit.jsonl", public_key="audit.jsonl.pub", expect="ref=other"
    )
    assert step.outputs["verified"] == "false"
    for name in ("audit-format", "algorithm", "provider", "kms-key", ATTACK):
        with pytest.raises(SignerError) as caught:
            step.run({f"INPUT_{name.upper()}": ATTACK, "INPUT_MODE": "x"}, audit_file=ATTACK)
        log.error(caught.value)
    said = capsys.readouterr().out
    assert {command.name for command in runner.commands(said)} <= {"error", "warning"}
    assert all(
        dict(command.properties)["title"].startswith("policy audit")
        for command in runner.commands(said)
    )


def test_a_file_name_breaks_out_of_nothing(step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    name = "::error::##[add-mask]x<script>`|*_%0A=<<EOF.jsonl"
    (step.workspace / "odd").mkdir()
    (step.workspace / "odd" / name).write_bytes(EVENTS)
    step.log = RunnerLog({})  # type: ignore[assignment]
    assert step.run(audit_file="odd/*", provider="kms") == 0
    assert step.outputs["files"].split("\n")[0] == f"odd/{name}"
    [warning] = runner.commands(capsys.readouterr().out)
    assert warning.name == "warning"
    assert dict(warning.properties) == {"title": "policy audit: names that are patterns"}
    summary = step.summary.read_text()
    assert "<script>" not in summary
    assert "##[" not in summary


def test_the_entry_point_ends_with_the_exit_code(step: Step) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **step.environ}
    environ |= {"RUNNER_TEMP": str(step.workspace), "INPUT_AUDIT-FILE": "missing.jsonl"}
    environ |= {"POLICY_SIGNING_KEY": SECRET}
    done = subprocess.run(
        [sys.executable, str(ROOT / "entrypoint.py")],
        env=environ, cwd=step.workspace, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    commands = runner.commands(done.stdout)
    assert (commands[0].name, commands[0].data) == ("add-mask", SECRET)
    assert done.stdout.startswith("::add-mask::")
    assert commands[-1].name == "error"
    assert dict(commands[-1].properties)["file"] == "missing.jsonl"
    assert done.stderr == ""


def test_an_unforeseen_error_is_no_yes(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr("signer.verify.job.check", fail)
    with pytest.raises(ZeroDivisionError):
        step.run(mode="verify", audit_file="audit.jsonl", integrity_only="true")
    assert (step.outputs["verified"], step.outputs["reason"]) == ("false", "internal")
