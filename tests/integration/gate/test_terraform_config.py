"""Terraform's JSON as HashiCorp's own parser reads it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from signer.cli import parser
from signer.log import TerminalLog
from tests.peers import require

ROOT = Path(__file__).parents[3]
AWS = "arn:aws:kms:eu-central-1:111122223333:"
SAMPLE = (ROOT / "docs" / "gate.md").read_text().split("```yaml\n")[1].split("```")[0]


def rule(runs: dict[str, str], *keys: str) -> str:
    sign = {"provider": ["aws_kms_sdk", "azure_kv_sdk"], "key": list(keys)}
    whole = {
        "repository": "acme/payments",
        "repository_id": "1",
        "repository_owner_id": "2",
        **runs,
    }
    rules = [{"name": "nightly ${x} %{if}", "runs": whole, "may_sign_with": sign}]
    return json.dumps({"version": "1", "rules": rules})


POLICIES = {
    "of the docs": SAMPLE,
    "without environment": rule(
        {"ref": "refs/heads/main"}, f"{AWS}key/1", "https://acme.vault.azure.net/keys/a"
    ),
    "with ref_protected": rule(
        {"ref": "refs/heads/main", "ref_protected": "true", "environment": "production"},
        f"{AWS}alias/audit", "https://acme.vault.azure.net/keys/a",
    ),
    "HSM only": rule(
        {"environment": "production"}, f"{AWS}key/1", "https://acme.managedhsm.azure.net/keys/a"
    ),
}  # fmt: skip


def inspected(folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [require("terraform-config-inspect"), "--json", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


CASES = [(cloud, name) for name in POLICIES for cloud in ("aws", "azure", "github")]
CASES.remove(("azure", "of the docs"))  # it has no key there


@pytest.mark.parametrize(("cloud", "name"), CASES)
def test_terraforms_own_parser_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cloud: str, name: str
) -> None:
    (tmp_path / "policy.yml").write_text(POLICIES[name])
    command = ["policy", "compile", str(tmp_path / "policy.yml"), "--for", cloud, "--terraform"]
    arguments = parser().parse_args(command)
    assert arguments.run(arguments, {}, TerminalLog({})) == 0
    text = capsys.readouterr().out
    (tmp_path / "main.tf.json").write_text(text)
    answer = inspected(tmp_path)
    assert answer.get("diagnostics", []) == []
    made = [f"{kind}.{one}" for kind, ones in json.loads(text)["resource"].items() for one in ones]
    assert sorted(answer["managed_resources"]) == sorted(made)


def test_the_parser_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "main.tf.json").write_text('{"resource": {"github_repository_ruleset": {}}}')
    assert inspected(tmp_path)["diagnostics"][0]["summary"] == "Missing block label"
