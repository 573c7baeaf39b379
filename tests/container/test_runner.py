"""The action in a container, with the flags, mounts and environment of a GitHub runner."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.container.conftest import RUNNER_UID, own
from tests.container.runner import REPOSITORY, RUNTIME_TOKEN, Job

AUDIT = "opa-decisions.jsonl"
KMS = {"audit-file": AUDIT, "provider": "kms"}


def test_outputs(job: Job) -> None:
    step = job.run(KMS)
    assert step.code == 0, step.log
    outputs = step.outputs
    assert outputs["provider"] == "kms"
    assert outputs["algorithm"] == "ECDSA_SHA_256"
    assert outputs["assurance"] == "software-key"
    assert outputs["event-count"] == "400"
    assert outputs["key-fingerprint"].startswith("SHA256:")
    assert outputs["signed-audit-file"] == f"{AUDIT}.sigstore.json"
    assert outputs["public-key-file"] == f"{AUDIT}.pub"
    assert outputs["files"].split("\n") == [AUDIT, f"{AUDIT}.sigstore.json", f"{AUDIT}.pub"]
    bundle = json.loads((job.workspace / outputs["signed-audit-file"]).read_bytes())
    assert outputs["signature"] == bundle["dsseEnvelope"]["signatures"][0]["sig"]
    (result,) = json.loads(outputs["results"])
    assert result["audit-digest"] == outputs["audit-digest"]
    assert "opa-decisions" in step.summary
    assert step.annotations("error") == []


def test_only_declared_outputs(job: Job) -> None:
    declared = yaml.safe_load((REPOSITORY / "action.yml").read_text())["outputs"]
    signed = job.run({**KMS, "plain-signature": "true"})
    verified = job.run({"mode": "verify", "audit-file": AUDIT, "public-key": f"{AUDIT}.pub"})
    assert signed.code == verified.code == 0, signed.log + verified.log
    assert signed.outputs.keys() | verified.outputs.keys() <= declared.keys()


def test_next_step_opens_every_file(job: Job) -> None:
    step = job.run({**KMS, "plain-signature": "true"})
    assert step.code == 0, step.log
    files = step.outputs["files"].split("\n")
    assert len(files) == 4
    _read_as_runner(job.workspace, files)


def test_results_under_runner_temp_have_the_hosts_path(job: Job) -> None:
    step = job.run({**KMS, "output-directory": str(job.temp / "signed")})
    assert step.code == 0, step.log
    assert step.outputs["signed-audit-file"] == str(job.temp / f"signed/{AUDIT}.sigstore.json")
    _read_as_runner(job.workspace, step.outputs["files"].split("\n"))


def test_output_directory_outside_the_job_is_refused(job: Job) -> None:
    step = job.run({**KMS, "output-directory": "/srv/signed"})
    assert step.code == 2
    assert step.annotations("error")[0].title == "policy audit: output-outside-job"


def test_written_files_belong_to_the_folders_owner(job: Job) -> None:
    step = job.run({**KMS, "output-directory": "reports/signed"})
    assert step.code == 0, step.log
    made = [job.workspace / "reports", *(job.workspace / "reports").rglob("*")]
    assert len(made) == 4
    assert {path.stat().st_uid for path in made} == {job.workspace.stat().st_uid}


def test_verify_in_a_later_step(job: Job) -> None:
    assert job.run(KMS).code == 0
    verify = {"mode": "verify", "audit-file": AUDIT, "public-key": f"{AUDIT}.pub"}
    step = job.run(verify)
    assert (step.code, step.outputs["verified"]) == (0, "true"), step.log
    audit = job.workspace / AUDIT
    audit.write_bytes(audit.read_bytes().replace(b"mallory", b"nallory", 1))
    step = job.run(verify)
    assert (step.code, step.outputs["verified"]) == (1, "false"), step.log
    assert step.outputs["reason"]
    assert step.outputs["message"]
    assert step.annotations("error")


def test_verify_without_any_network(job: Job) -> None:
    assert job.run(KMS, flags=["--network=none"]).code == 0
    verify = {"mode": "verify", "audit-file": AUDIT, "public-key": f"{AUDIT}.pub"}
    step = job.run(verify, flags=["--network=none"])
    assert (step.code, step.outputs["verified"]) == (0, "true"), step.log


def test_verify_another_repositorys_audit_is_refused(job: Job) -> None:
    assert job.run(KMS).code == 0
    verify = {"mode": "verify", "audit-file": AUDIT, "public-key": f"{AUDIT}.pub"}
    step = job.run(verify, env={"GITHUB_REPOSITORY_ID": "1", "GITHUB_REPOSITORY": "x/y"})
    assert (step.code, step.outputs["verified"]) == (1, "false"), step.log


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"audit-file": "absent.jsonl"}, 2),
        ({"audit-file": AUDIT, "provider": "nonesuch"}, 2),
        ({"audit-file": AUDIT, "provider": "kms", "kms-key": "alias/aws/x"}, 3),
        ({"audit-file": AUDIT, "minimum-assurance": "managed-key"}, 2),
        ({"mode": "verify", "audit-file": AUDIT, "integrity-only": "true"}, 1),
    ],
    ids=["no file", "wrong provider", "refused alias", "assurance", "no bundle"],
)
def test_exit_codes(job: Job, inputs: dict[str, str], code: int) -> None:
    step = job.run(inputs)
    assert step.code == code, step.log
    assert step.annotations("error")
    assert sorted(path.name for path in job.workspace.iterdir()) == [AUDIT]


def test_fallback_says_that_it_proves_integrity_only(job: Job) -> None:
    step = job.run({"audit-file": AUDIT})
    assert (step.code, step.outputs["assurance"]) == (0, "digest"), step.log
    assert step.annotations("warning")


def test_secrets_are_masked_before_all_else_and_told_nowhere(job: Job) -> None:
    secret = "a signing key of more than thirty-two bytes"
    step = job.run({"audit-file": AUDIT}, env={"POLICY_SIGNING_KEY": secret})
    assert (step.code, step.outputs["provider"]) == (0, "hmac"), step.log
    masked = {command.data for command in step.commands if command.name == "add-mask"}
    assert masked == {secret, RUNTIME_TOKEN}
    lines = step.log.splitlines()
    assert all(line.startswith("::add-mask::") for line in lines[: len(masked)])
    assert not any(told in line for line in lines[len(masked) :] for told in masked)
    assert secret not in json.dumps(step.outputs) + step.summary
    for path in job.workspace.iterdir():
        assert secret.encode() not in path.read_bytes()


def test_read_only_workspace(job: Job) -> None:
    job.mode = "ro"
    step = job.run(KMS)
    assert step.code == 2, step.log
    assert step.annotations("error")[0].title == "policy audit: output-failed"
    assert [path.name for path in job.workspace.iterdir()] == [AUDIT]
    step = job.run({**KMS, "output-directory": str(job.temp / "signed")})
    assert step.code == 0, step.log


HOSTILE = "import os; os.write(1, b'HOSTILE CODE RAN\\n'); os._exit(99)\n"


def test_nothing_in_the_workspace_or_home_is_imported(job: Job) -> None:
    modules = ["msgspec", "pydantic", "cryptography", "json", "encodings"]
    modules += ["sitecustomize", "usercustomize"]
    site_packages = job.home / ".local" / "lib" / "python3.13" / "site-packages"
    site_packages.mkdir(parents=True)
    (site_packages / "hostile.pth").write_text(HOSTILE.replace("\n", "; import os\n"))
    for folder in (job.workspace, site_packages):
        for module in modules:
            (folder / f"{module}.py").write_text(HOSTILE)
        (folder / "signer").mkdir()
        (folder / "signer" / "__init__.py").write_text(HOSTILE)
        (folder / "signer" / "action.py").write_text(HOSTILE)
    own(job.root)
    env = {
        "PYTHONPATH": "/github/workspace",
        "PYTHONHOME": "/github/workspace",
        "PYTHONSTARTUP": "/github/workspace/json.py",
        "PYTHONUSERBASE": "/github/home/.local",
        "PYTHONINSPECT": "1",
    }
    step = job.run(KMS, env=env)
    assert "HOSTILE" not in step.log
    assert step.code == 0, step.log


HOSTILE_TEXTS = [
    "::set-output name=verified::true",
    "::stop-commands::x",
    "##[error]x",
    "x\r::warning::y",
    "x\nverified=true\nverified<<E\ntrue\nE",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_no_command_comes_from_an_input(job: Job, text: str) -> None:
    step = job.run({"audit-file": AUDIT, "provider": text, "kms-key": text, "nonesuch": text})
    assert step.code == 2
    assert {command.name for command in step.commands} <= {"error", "warning", "add-mask"}
    assert all(command.title for command in step.annotations("warning"))
    assert all(command.title for command in step.annotations("error"))
    assert step.outputs.get("verified") != "true"


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_no_command_comes_from_a_file(job: Job, text: str) -> None:
    name = text.replace("/", "_") + ".jsonl"
    (job.workspace / name).write_text(json.dumps({"decision": text}) + "\n" + text)
    step = job.run({"audit-file": "*.jsonl", "provider": "kms"})
    assert step.code == 2, step.log
    assert {command.name for command in step.commands} <= {"error", "warning", "add-mask"}
    assert all(command.title for command in step.annotations("error"))


def _read_as_runner(workspace: Path, files: list[str]) -> None:
    """Open files as the next step of the job does: from the workspace, as the runner's user."""
    who = {"user": RUNNER_UID, "group": RUNNER_UID} if os.geteuid() == 0 else {}
    for file in files:
        done = subprocess.run(
            ["cat", "--", file], cwd=workspace, capture_output=True, check=False, **who
        )  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr
        assert done.stdout
