"""The command line: the same work and the same names as the action."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from signer import __version__, cli
from signer.log import Log
from signer.process import _outcome
from signer.settings.models import SignSettings, VerifySettings, fields_of
from tests.unit import runner
from tests.unit.support import (
    EVENTS,
    SECRET,
    Keys,
    payload_of,
    sign_one,
    signed_statement,
    trusted_keys,
)


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.out)
        return fields


Signer = Callable[..., Done]


@pytest.fixture
def signer(
    audit: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Signer:
    """Run the command line in this process, in the audit file's folder."""
    monkeypatch.chdir(audit.parent)
    for name in list(os.environ):
        if name.startswith(("POLICY_", "GITHUB_", "ACTIONS_", "RUNNER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(audit.parent / ".data"))
    codes: list[int] = []

    def run(job: Callable[[], int], log: Log) -> None:
        codes.append(_outcome(job, log))

    monkeypatch.setattr(cli, "run", run)

    def call(*arguments: str, **environ: str) -> Done:
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["signer", *arguments])
            try:
                cli.main()
            except SystemExit as ended:
                codes.append(int(ended.code or 0))
        said = capsys.readouterr()
        return Done(codes.pop(), said.out, said.err)

    return call


def test_sign_and_verify(signer: Signer, audit: Path) -> None:
    done = signer("sign", "audit.jsonl", "--provider", "kms")
    assert (done.code, done.out) == (0, "audit.jsonl.sigstore.json\n")
    assert "a simulation" in done.err
    done = signer("verify", "audit.jsonl", "--key", "audit.jsonl.pub")
    assert done.code == 0
    assert done.out.startswith("verified: audit.jsonl\n")
    for shown in ("3, Merkle root", "software-key", "none: not made in a workflow"):
        assert shown in done.out
    assert "warning: " in done.err
    assert "same folder" in done.err
    audit.write_bytes(EVENTS.replace(b"1", b"7"))
    done = signer("verify", "audit.jsonl", "--public-key", "audit.jsonl.pub")
    assert (done.code, done.out) == (1, "")
    assert "error[altered-file]: audit.jsonl is not the file that was signed" in done.err
    assert "\n  fix: " in done.err


def test_verify_a_digest(signer: Signer) -> None:
    signer("sign", "audit.jsonl", "--provider", "kms")
    digest = hashlib.sha256(EVENTS).hexdigest()
    rest = ("--bundle", "audit.jsonl.sigstore.json", "--key", "audit.jsonl.pub")
    for text in (digest, digest.upper()):
        done = signer("verify", f"sha256:{text}", *rest)
        assert done.code == 0
        assert "the digest only" in done.out
    done = signer("verify", "sha256:" + "0" * 64, *rest)
    assert done.code == 1
    assert "error[wrong-subject]" in done.err


def test_hmac_and_integrity_only(signer: Signer) -> None:
    assert signer("sign", "audit.jsonl", POLICY_SIGNING_KEY=SECRET).code == 0
    assert signer("verify", "audit.jsonl", "--hmac", POLICY_SIGNING_KEY=SECRET).code == 0
    assert signer("verify", "audit.jsonl", "--hmac", POLICY_SIGNING_KEY="x" * 32).code == 1
    assert signer("verify", "audit.jsonl", "--hmac").code == 2
    assert signer("verify", "audit.jsonl", "--hmac", POLICY_SIGNING_KEY="").code == 2
    assert signer("verify", "audit.jsonl", "--integrity-only").code == 1
    assert signer("sign", "audit.jsonl", "--overwrite").code == 0
    done = signer("verify", "audit.jsonl", "--integrity-only")
    assert "integrity only, no origin" in done.out
    assert signer("verify", "audit.jsonl", "--hmac", POLICY_SIGNING_KEY=SECRET).code == 1


def test_no_secret_is_in_an_error_as_json(signer: Signer) -> None:
    done = signer("sign", SECRET, "--json", POLICY_SIGNING_KEY=SECRET)
    assert done.code == 2
    assert done.json["code"] == "audit-file-not-found"
    assert "***" in done.json["message"]
    assert SECRET not in done.out + done.err


def test_what_was_made_in_another_way_is_told(signer: Signer, tmp_path: Path) -> None:
    signer("sign", "audit.jsonl", "--provider", "kms")
    shutil.copy("audit.jsonl.pub", "own.pub")
    for made, told in (
        ({"POLICY_SIGNING_KEY": SECRET}, "--hmac"),
        ({}, "--integrity-only"),
    ):
        signer("sign", "audit.jsonl", "--overwrite", **made)
        done = signer("verify", "audit.jsonl", "--key", "own.pub")
        assert (done.code, "error[wrong-key]" in done.err, told in done.err) == (1, True, True)
    done = signer("verify", "audit.jsonl", "--key", "audit.jsonl")
    assert (done.code, "error[key-unreadable]: audit.jsonl: " in done.err) == (1, True)
    done = signer("inspect", "audit.jsonl")
    assert (done.code, ".sigstore.json" in done.err) == (1, True)


def test_json_has_the_names_of_the_outputs(signer: Signer) -> None:
    signed = signer("sign", "audit.jsonl", "--provider", "kms", "--json").json
    assert signed["files"] == ["audit.jsonl", "audit.jsonl.sigstore.json", "audit.jsonl.pub"]
    assert (signed["event-count"], signed["assurance"]) == (3, "software-key")
    verified = signer("verify", "audit.jsonl", "--key", "audit.jsonl.pub", "--json").json
    assert (verified["verified"], verified["reason"]) == (True, "verified")
    shared = verified.keys() & signed.keys() - {"results"}
    assert {"merkle-root", "audit-digest", "key-fingerprint", "algorithm"} <= shared
    assert all(verified[name] == signed[name] for name in shared)
    done = signer("verify", "audit.jsonl", "--integrity-only", "--json")
    assert (done.code, done.json["verified"], done.json["reason"]) == (1, False, "wrong-key")
    assert signer("sign", "no*", "--if-no-files-found", "ignore", "--json").json == {
        "results": [], "files": [],
    }  # fmt: skip


def test_inspect_says_that_nothing_is_verified(signer: Signer) -> None:
    signer("sign", "audit.jsonl")
    done = signer("inspect", "audit.jsonl.sigstore.json")
    assert done.out.startswith("NOT VERIFIED")
    assert "payload-type  application/vnd.in-toto+json\n" in done.out
    assert '"eventCount": 3' in done.out
    fields = signer("inspect", "audit.jsonl.sigstore.json", "--json").json
    assert fields["verified"] is False
    assert fields["statement"]["subject"][0]["name"] == "audit.jsonl"


@pytest.mark.parametrize("extra", [[], ["--json"]])
def test_nothing_in_a_strangers_bundle_is_a_workflow_command(
    signer: Signer, audit: Path, keys: Keys, extra: list[str]
) -> None:
    signed = sign_one(audit, keys.open())
    attack = "\n::error::x\r##[error]y\u202e"
    statement = payload_of(signed.targets.signed_audit.read_bytes())
    statement["subject"][0]["name"] = statement["predicate"]["signing"]["keyId"] = attack
    statement["predicate"]["run"] = {"repository": attack, "ref": "::warning::z"}
    statement[attack] = attack
    path = audit.with_name("odd.json")
    path.write_bytes(signed_statement(statement, keys.open()))
    for arguments in (
        ["inspect", "odd.json"],
        ["verify", "audit.jsonl", "--bundle", "odd.json", "--key", "audit.jsonl.pub"],
    ):
        done = signer(*arguments, *extra)
        assert done.code == 0
        assert runner.commands(done.out + done.err) == []
        assert "##[" not in done.out
    text = json.loads(path.read_bytes())
    text["mediaType"] = attack
    path.write_text(json.dumps(text))
    done = signer("inspect", "odd.json")
    assert (done.code, runner.commands(done.err)) == (1, [])


def test_a_payload_that_is_no_json_is_shown_as_text(
    signer: Signer, audit: Path, keys: Keys
) -> None:
    for payload in (b"\xff\x00\x1b[31m", b"[" * 100_000, b"1" * 5000, b"NaN"):
        audit.with_name("odd.json").write_bytes(signed_statement(payload, keys.open()))
        done = signer("inspect", "odd.json")
        assert done.code == 0
        assert "\x1b" not in done.out


def test_the_printed_path_is_no_workflow_command(signer: Signer, audit: Path) -> None:
    audit.rename(audit.with_name("::error::x##[error].jsonl"))
    for extra in ([], ["--json", "--overwrite"]):
        done = signer("sign", "./*.jsonl", *extra)
        assert done.code == 0
        assert runner.commands(done.out + done.err) == []
    assert done.json["signed-audit-file"] == "::error::x##[error].jsonl.sigstore.json"


def test_a_shells_glob_cannot_smuggle_a_line_in(signer: Signer, audit: Path) -> None:
    name = "a\n!audit.jsonl"
    audit.with_name(name).write_bytes(EVENTS)
    done = signer("sign", "audit.jsonl", name)
    assert done.code == 2
    assert "error[audit-file-name]" in done.err


def test_github_gives_outputs_summary_and_masks(signer: Signer, audit: Path) -> None:
    output, summary = audit.with_name("output"), audit.with_name("summary")
    environ = {
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "acme/pay",
        "POLICY_SIGNING_KEY": SECRET,
    }
    done = signer("sign", "audit.jsonl", "--github", **environ)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"::add-mask::{SECRET}\n")
    outputs = runner.outputs(output.read_text())
    assert outputs["provider"] == "hmac"
    assert "Policy audit signed" in summary.read_text()
    done = signer("verify", "audit.jsonl", "--hmac", "--github", **environ)
    assert done.code == 0
    assert runner.outputs(output.read_text())["verified"] == "true"
    elsewhere = {**environ, "GITHUB_REPOSITORY": "acme/other"}
    assert signer("verify", "audit.jsonl", "--hmac", "--github", **elsewhere).code == 1
    assert runner.outputs(output.read_text())["reason"] == "unexpected-run"
    done = signer("verify", "audit.jsonl", "--key", "missing", "--github", **environ)
    assert done.code == 2
    assert runner.commands(done.out)[-1].name == "error"
    outputs = runner.outputs(output.read_text())
    assert (outputs["verified"], outputs["reason"]) == ("false", "public-key-not-found")
    done = signer("verify", "audit.jsonl", "--github", **environ)
    assert runner.outputs(output.read_text())["reason"] == "trust-missing"


def test_outside_a_runner_github_needs_no_files(signer: Signer) -> None:
    assert signer("sign", "audit.jsonl", "--github").code == 0


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--help"], ["sign", "verify", "inspect", "kms", "exit codes: 0 done"]),
        (["sign", "--help"], ["examples:", "signer sign audit.jsonl --provider kms", "exit codes"]),
        (["verify", "--help"], ["examples:", "--key", "--integrity-only", "exit codes"]),
        (["inspect", "--help"], ["examples:", "signer inspect", "exit codes"]),
        (["kms", "--help"], ["examples:", "simulation"]),
        (["--version"], [f"signer {__version__}"]),
    ],
)
def test_help_shows_examples(signer: Signer, arguments: list[str], shown: list[str]) -> None:
    done = signer(*arguments)
    assert (done.code, done.err) == (0, "")
    for text in shown:
        assert text in done.out


def test_every_setting_is_an_option(signer: Signer) -> None:
    for command, model in (("sign", SignSettings), ("verify", VerifySettings)):
        text = signer(command, "--help").out
        for name in fields_of(model).keys() - {"mode", "audit-file", "show-summary"}:
            assert f"--{name}" in text
        assert "--signing-key" not in text


def test_options_are_never_abbreviated(signer: Signer) -> None:
    assert signer("sign", "audit.jsonl", "--over").code == 2
    assert signer("verify", "audit.jsonl", "--integrity").code == 2


def test_options_win_over_the_environment(signer: Signer) -> None:
    done = signer("sign", "audit.jsonl", "--provider", "sha256", POLICY_SIGNING_PROVIDER="kms")
    assert "provider sha256" in done.err
    done = signer("sign", "--json", "--overwrite", POLICY_AUDIT_FILE="audit.jsonl")
    assert done.json["results"][0]["audit-file"] == "audit.jsonl"


def test_expect_may_be_said_several_times(signer: Signer, audit: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": "abc", "GITHUB_RUN_ID": "5"}
    signer("sign", "audit.jsonl", **environ)
    verify = ("verify", "audit.jsonl", "--integrity-only", "--expect", "sha=abc", "--expect")
    assert signer(*verify, "run_id=5").code == 0
    assert signer(*verify, "run_id=6").code == 1
    assert signer(*verify, "sha=abd").code == 2


@pytest.mark.parametrize("kind", ["fifo", "directory", "loop"])
def test_what_is_no_regular_file_is_neither_waited_for_nor_read(
    signer: Signer, audit: Path, kind: str
) -> None:
    odd = audit.with_name("odd")
    if kind == "fifo":
        os.mkfifo(odd)
    elif kind == "directory":
        odd.mkdir()
    else:
        odd.symlink_to("odd")
    signer("sign", "audit.jsonl", "--provider", "kms")
    done = signer("verify", "audit.jsonl", "--key", "odd")
    assert (done.code, "error[public-key-not-found]" in done.err) == (2, True)
    done = signer("verify", "audit.jsonl", "--key", "audit.jsonl.pub", "--bundle", "odd")
    assert (done.code, "error[bundle-not-found]" in done.err) == (1, True)
    done = signer("inspect", "odd")
    assert (done.code, "error[bundle-not-found]" in done.err) == (2, True)


def test_verifying_nothing_is_wrong_use(signer: Signer) -> None:
    for mode in ("warn", "ignore"):
        options = ("--integrity-only", "--if-no-files-found", mode, "--json")
        done = signer("verify", "none", *options)
        assert (done.code, done.json["verified"]) == (2, False)


def test_names_too_long_for_a_result_are_a_clear_error(signer: Signer) -> None:
    Path("a" * 250).write_bytes(EVENTS)
    done = signer("sign", "a" * 250)
    assert (done.code, "error[output-failed]" in done.err) == (2, True)


@pytest.mark.parametrize("environ", [{"XDG_DATA_HOME": "~nosuch/x"}])
def test_only_the_embedded_kms_needs_a_home(signer: Signer, environ: dict[str, str]) -> None:
    assert signer("sign", "audit.jsonl", **environ).code == 0
    done = signer("sign", "audit.jsonl", "--overwrite", "--provider", "kms", **environ)
    assert (done.code, "kms-directory is not set" in done.err) == (2, True)


def test_names_are_taken_exactly(signer: Signer, audit: Path) -> None:
    for name in ("audit.jsonl ", " audit.jsonl"):
        done = signer("sign", name)
        assert (done.code, "error[audit-file-not-found]" in done.err) == (2, True)
        Path(name).write_bytes(EVENTS)
        assert signer("sign", name).code == 0
        assert Path(f"{name}.sigstore.json").exists()
    assert not audit.with_name("audit.jsonl.sigstore.json").exists()
    Path("!audit.jsonl").write_bytes(EVENTS)
    assert signer("sign", "!audit.jsonl", "audit.jsonl").code == 0
    assert audit.with_name("audit.jsonl.sigstore.json").exists()
    assert audit.with_name("!audit.jsonl.sigstore.json").exists()


def test_the_environment_does_not_contradict_the_command(signer: Signer) -> None:
    done = signer("sign", "audit.jsonl", POLICY_MODE="verify")
    assert (done.code, "error[setting-conflict]" in done.err) == (2, True)
    assert signer("sign", "audit.jsonl", POLICY_MODE="sign").code == 0


def test_errors_are_json_too(signer: Signer) -> None:
    done = signer("verify", "audit.jsonl", "--json")
    assert (done.json["verified"], done.json["code"]) == (False, "trust-missing")
    done = signer("sign", "none", "--json")
    assert done.json["code"] == "audit-file-not-found"
    assert set(done.json) == {"code", "message", "fix"}
    assert "error[audit-file-not-found]" in done.err


def test_the_kms_commands_take_json(signer: Signer) -> None:
    assert signer("kms", "list-keys", "--json").out == "[]\n"


@pytest.mark.parametrize(
    "command",
    [
        "policy check missing.yml",
        "policy check missing.yml --json",
        "policy compile missing.yml --for aws",
        "keys snapshot-issuer http://issuer.example",
        "keys check missing.yml",
        "keys check missing.yml --json",
    ],
)
def test_errors_of_the_gates_commands_are_told(signer: Signer, command: str) -> None:
    done = signer(*command.split())
    assert done.code == 2
    assert "error[" in done.err
    if "--json" in command:
        kind = "trusted-keys" if command.startswith("keys") else "policy"
        assert done.json["code"] == f"{kind}-not-found"


def test_trusted_keys_are_checked_listed_and_used(signer: Signer, audit: Path) -> None:
    signer("sign", "audit.jsonl", "--provider", "kms")
    fields = {
        "name": "one\n::error::x",
        "public_key": audit.with_name("audit.jsonl.pub").read_text(),
        "algorithm": "ES256",
        "assurance": "software-key",
        "not_before": "2025-01-01T00:00:00Z",
        "not_after": "2999-01-01T00:00:00Z",
    }
    path = audit.with_name("trusted.yml")
    path.write_text(trusted_keys(fields))
    done = signer("keys", "check", "trusted.yml")
    assert (done.code, done.out) == (2, "")
    assert "error[trusted-keys-invalid]" in done.err
    assert "keys.1.name" in done.err
    fields["name"] = "payments ##[error]"
    path.write_text(trusted_keys(fields))
    done = signer("verify", "audit.jsonl", "--trusted-keys", "trusted.yml")
    assert "trusted     the key payments" in done.out
    assert "##[" not in done.out
    revoked = {"at": "2026-01-01T00:00:00Z", "reason": "lost"}
    path.write_text(trusted_keys({**fields, "revoked": revoked}))
    listed = signer("keys", "check", "trusted.yml", "--json").json
    [key] = listed["keys"]
    fingerprint = key.pop("key-fingerprint")
    assert fingerprint.startswith("SHA256:")
    assert (listed["valid"], listed["issuer"]) == (True, None)
    assert key == {
        "name": "payments ##[error]",
        "key-spec": "ECC_NIST_P256",
        "algorithm": "ECDSA_SHA_256",
        "assurance": "software-key",
        "not-before": "2025-01-01T00:00:00Z",
        "not-after": "2999-01-01T00:00:00Z",
        "revoked": revoked,
    }
    done = signer("keys", "check", "trusted.yml")
    assert done.out.startswith("valid: 1 key\n")
    for shown in (
        fingerprint,
        "ECC_NIST_P256",
        "2025-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z: lost",
    ):
        assert shown in done.out
    assert "##[" not in done.out
    done = signer("verify", "audit.jsonl", "--trusted-keys", "trusted.yml", "--json")
    assert (done.code, done.json["reason"]) == (1, "key-revoked")


@pytest.mark.parametrize(
    ("arguments", "said", "command"),
    [
        (("sign", "a", "--providr", "kms"), "unknown argument --providr; did you mean --provider?",
         "signer sign"),
        (("sign", "a", "--outputdir=x"), "--outputdir; did you mean --output-directory?",
         "signer sign"),
        (("inspect", "a", "b"), "unknown argument b\n", "signer inspect"),
        (("kms", "create-key", "--key-spc", "X"), "did you mean --key-spec?",
         "signer kms create-key"),
    ],
)  # fmt: skip
def test_an_unknown_argument_is_named_with_what_is_near_in_that_command(
    signer: Signer, arguments: tuple[str, ...], said: str, command: str
) -> None:
    done = signer(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert f"usage: {command} [" in done.err
    assert f"fix: see {command} --help" in done.err


def test_what_is_done_by_default_can_be_switched_off(signer: Signer) -> None:
    arguments = cli.parser().parse_args(["sign", "a", "--identity-evidence", "false"])
    assert arguments.identity_evidence == "false"


@pytest.mark.parametrize("name", [".", "..", "/", "folder"])
@pytest.mark.parametrize("command", [("sign", "--provider", "kms"), ("verify", "--key", "k.pub")])
def test_a_directory_is_no_audit_file(
    signer: Signer, audit: Path, name: str, command: tuple[str, ...]
) -> None:
    (audit.parent / "folder").mkdir()
    (audit.parent / "k.pub").write_bytes(b"")
    done = signer(*command, name)
    assert done.code == 2
    assert done.err.startswith(f"error[audit-file-not-regular]: {name}: this is a directory")
    assert not (audit.parent / ".data").exists()


def test_what_is_too_weak_is_refused_before_a_key_is_made(signer: Signer, audit: Path) -> None:
    weak = ("audit.jsonl", "--provider", "kms", "--minimum-assurance", "managed-key")
    done = signer("sign", *weak)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error[below-minimum-assurance]")
    assert not (audit.parent / ".data").exists()
    done = signer("doctor", *weak)
    assert done.code == 2
    assert "fail  assurance " in done.out
