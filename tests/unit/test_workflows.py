"""The reusable workflow and what the examples pass to it: names agree, and nothing leaks in."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from signer.assurance import Assurance
from signer.gate.compile.aws import compile_policy
from signer.gate.matching import Request, ask
from signer.gate.policy import load
from tests.peers import require

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "gate.md"
SIGN = ROOT / ".github" / "workflows" / "sign.yml"
CALLERS = (
    ROOT / "examples" / "workflows" / "sign-for-many.yml",
    ROOT / "tests" / "container" / "workflows" / "reusable.yml",
)
# Of the action's settings, those that make no sense there: for verifying, or beside a managed key.
LEFT_OUT = {
    "mode", "kms-key", "kms-directory", "output-directory", "overwrite", "plain-signature",
    "issuer-keys", "bundle", "public-key", "trusted-keys", "hmac", "integrity-only", "type",
    "expect", "max-age", "show-summary",
}  # fmt: skip
OF_ITS_OWN = {"artifacts", "environment", "result-artifact", "retention-days"}


def _read(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return document


def _call() -> dict[str, Any]:
    call: dict[str, Any] = _read(SIGN)[True]["workflow_call"]  # YAML 1.1: on is true
    return call


def _job() -> dict[str, Any]:
    job: dict[str, Any] = _read(SIGN)["jobs"]["sign"]
    return job


def test_its_inputs_are_the_actions_own() -> None:
    action = _read(ROOT / "action.yml")
    assert action["inputs"].keys() - LEFT_OUT == _call()["inputs"].keys() - OF_ITS_OWN
    [step] = [step for step in _job()["steps"] if step.get("id") == "sign"]
    assert step["with"].keys() == action["inputs"].keys() - LEFT_OUT
    for name, value in step["with"].items():
        assert re.search(rf"\binputs\.{name}\b", value), name
    for name, value in _job()["outputs"].items():
        assert (
            value
            == f"${{{{ steps.{'upload' if name == 'artifact-id' else 'sign'}.outputs.{name} }}}}"
        )
    told = {name for name in _job()["outputs"] if name != "artifact-id"}
    assert told <= action["outputs"].keys()
    assert _call()["outputs"].keys() == _job()["outputs"].keys()
    for name, about in _call()["outputs"].items():
        assert about["value"] == f"${{{{ jobs.sign.outputs.{name} }}}}"


def test_it_has_few_rights_and_takes_no_secret_and_no_script() -> None:
    assert _read(SIGN)["permissions"] == {}
    assert _job()["permissions"] == {"contents": "read", "id-token": "write"}
    assert "timeout-minutes" in _job()
    assert "secrets" not in _call()
    assert "${{ secrets." not in SIGN.read_text()
    assert "${{" not in _job()["runs-on"]
    assert all("${{" not in step.get("run", "") for step in _job()["steps"])
    assert _call()["inputs"]["minimum-assurance"]["default"] == "managed-key"


@pytest.mark.parametrize("path", CALLERS, ids=lambda path: path.name)
def test_callers_name_inputs_that_are_there_and_grant_what_is_needed(path: Path) -> None:
    call = _read(path)["jobs"]["sign"]
    assert call["with"].keys() <= _call()["inputs"].keys()
    assert call["permissions"] == _job()["permissions"]
    assert "secrets" not in call


def test_the_sample_policy_allows_the_sample_caller_alone(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    text = (ROOT / "examples" / "signing-policy.yml").read_text()
    path = tmp_path / "policy.yml"
    path.write_text(text.replace("OWNER", "acme").replace("COMMIT", commit))
    policy = load(path).policy
    key = _read(CALLERS[0])["jobs"]["sign"]["with"]["aws-kms-key"]
    request = Request("aws_kms_sdk", (key,), "ECDSA_SHA_256", Assurance.MANAGED_KEY, 1000)
    claims = {
        "job_workflow_ref": f"acme/policy-audit-signer/.github/workflows/sign.yml@{commit}",
        "repository": "acme/payments",
        "repository_owner_id": "9876543",
        "ref": "refs/heads/main",
        "event_name": "push",
        "runner_environment": "github-hosted",
    }
    assert ask(policy, claims, request).rule is policy.rules[0]
    assert len(compile_policy(policy)["roles"]) == 1
    for other in (
        {"job_workflow_ref": claims["job_workflow_ref"].replace("acme", "eve")},
        {"job_workflow_ref": claims["job_workflow_ref"].replace(commit, "refs/heads/main")},
        {"job_workflow_ref": claims["job_workflow_ref"].replace("sign.yml", "other.yml")},
        {"repository_owner_id": "1"},
        {"repository": "acme-evil/payments"},
        {"runner_environment": "self-hosted"},
    ):
        assert ask(policy, {**claims, **other}, request).rule is None


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_the_guides_first_policy_lets_its_first_workflow_sign(tmp_path: Path) -> None:
    written, text = _blocks("yaml")[:2]
    path = tmp_path / "signing-policy.yml"
    path.write_text(written)
    policy = load(path).policy
    workflow = yaml.safe_load(text)
    [job] = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    checkout, *_ = job["steps"]
    assert checkout["uses"].startswith("actions/checkout@")
    [step] = [step for step in job["steps"] if step.get("id") == "sign"]
    given = step["with"]
    assert given.keys() <= _read(ROOT / "action.yml")["inputs"].keys()
    assert given["signing-policy-sha256"] == "${{ vars.POLICY_SIGNING_POLICY_SHA256 }}"
    [role] = compile_policy(policy)["roles"]
    assert given["aws-role-to-assume"] == role["arn"]
    request = Request(
        given["provider"],
        (given["aws-kms-key"],),
        "ECDSA_SHA_256",
        Assurance.MANAGED_KEY,
        key_created=datetime.now(UTC),
    )
    [branch] = workflow[True]["push"]["branches"]
    for event in workflow[True]:
        claims = {
            "repository": "acme/payments",
            "repository_id": "123456789",
            "ref": f"refs/heads/{branch}",
            "event_name": event,
            "environment": job["environment"],
            "runner_environment": "github-hosted",
        }
        assert ask(policy, claims, request).rule is policy.rules[0]


def test_the_guides_caller_is_the_samples() -> None:
    sign = yaml.safe_load(_blocks("yaml")[2])["jobs"]["sign"]
    assert sign == _read(CALLERS[0])["jobs"]["sign"]


@pytest.mark.peer("actionlint")
def test_the_guides_workflow_passes_actionlint(tmp_path: Path) -> None:
    path = tmp_path / "audit.yml"
    path.write_text(_blocks("yaml")[1])
    done = subprocess.run([require("actionlint"), path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_actions_in_documents_are_pinned_as_the_examples_are() -> None:
    pinned = set()
    for path in (ROOT / "examples" / "workflows").glob("*.yml"):
        pinned |= set(re.findall(r"uses: (actions/\S+ # \S+)", path.read_text()))
    for page in (ROOT / "docs").glob("*.md"):
        for used in re.findall(r"uses: (actions/.*)", page.read_text()):
            assert used in pinned, f"{page.name}: {used}"


def test_an_artifacts_results_lie_where_the_guide_says(tmp_path: Path) -> None:
    jobs = _read(CALLERS[0])["jobs"]
    [upload] = [
        step["with"] for step in jobs["audit"]["steps"]
        if step.get("uses", "").startswith("actions/upload-artifact@")
    ]  # fmt: skip
    place = f"{upload['name']}/{Path(upload['path']).name}"  # one file: no folder in the artifact
    audit = tmp_path / "audit" / "artifacts" / place
    audit.parent.mkdir(parents=True)
    audit.write_text("")
    script = _script("Lay the results into a folder of their own")
    assert _run(script, tmp_path, FILES=f"audit/artifacts/{place}") == 0
    assert (tmp_path / "signed" / place).exists()
    name = _call()["inputs"]["result-artifact"]["default"]
    [verified] = [block for block in _blocks("sh") if "gh run download" in block]
    assert f"--name {name} --dir signed\n" in verified
    assert f"signer verify signed/{place} --key" in verified


def _script(name: str) -> str:
    [step] = [step for step in _job()["steps"] if step["name"] == name]
    script: str = step["run"]
    return script


def _run(script: str, folder: Path, **environ: str) -> int:
    # As GitHub runs bash: "Workflow syntax", defaults.run.shell.
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    path = os.environ["PATH"]
    return subprocess.run(command, cwd=folder, env={"PATH": path, **environ}).returncode


def test_no_artifact_reaches_the_action_whatever_it_is_called() -> None:
    steps = {step["name"]: step.get("with", {}) for step in _job()["steps"]}
    action = steps["Check out this workflow's own repository"]["path"]
    policy = steps["Check out the caller's signing policy"]["path"]
    into = Path(steps["Download the audit files"]["path"])
    # An artifact's name is one part of a path: ".." at the worst.
    reached = os.path.normpath(into / "..")
    for place in (action, policy):
        assert not f"{place}/".startswith(f"{reached}/")
        assert reached != "."


@pytest.mark.parametrize(
    "path",
    [
        "../audit/policy.yml",
        "a/../policy.yml",
        "/etc/hostname",
        "link.yml",
        "links/policy.yml",
        "no",
    ],
)
def test_a_policy_is_a_file_of_the_callers_checkout(tmp_path: Path, path: str) -> None:
    for folder in ("caller/a", "audit"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "policy.yml").write_text("")
    (tmp_path / "caller" / "policy.yml").write_text("")
    (tmp_path / "caller" / "link.yml").symlink_to("../audit/policy.yml")
    (tmp_path / "caller" / "links").symlink_to("../audit")
    script = _script("Take no policy but a file of that checkout")
    for good in ("policy.yml", "a/policy.yml"):
        assert _run(script, tmp_path, POLICY=good) == 0
    assert _run(script, tmp_path, POLICY=path) == 1


def test_results_are_kept_whatever_they_are_called(tmp_path: Path) -> None:
    names = ["audit/artifacts/one/report[1].json", "audit/artifacts/one/.hid*", "other/-n #a.json"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    script = _script("Lay the results into a folder of their own")
    assert _run(script, tmp_path, FILES="\n".join(names)) == 0
    kept = tmp_path / "signed"
    assert {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()} == {
        "one/report[1].json", "one/.hid*", "other/-n #a.json"
    }  # fmt: skip
