"""The scripts of docs/gate-cloud.md, run with commands that only write down how they are called."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "gate-cloud.md"
POLICY = """version: 1
rules:
  - name: nightly
    runs:
      repository: acme/payments
      repository_id: "123"
      environment: "リリース"
    may_sign_with:
      provider: [aws_kms_sdk, azure_kv_sdk]
      key:
        - arn:aws:kms:eu-central-1:111122223333:alias/audit
        - https://acme-audit.vault.azure.net/keys/audit
        - https://acme-other.vault.azure.net/keys/other
"""
FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> calls
case " $* " in
  *" $FAILS "*) echo "already there" >&2; exit 254;;
  *" ad app list "*) printf %s "$THERE";;
  *" keyvault show "*) echo "/subscriptions/S/vaults/$4";;
  *" account show "*) echo S;;
  *) echo ID;;
esac
"""

pytestmark = pytest.mark.peer("jq")


def run(folder: Path, cloud: str, *, fails: str = "nothing", there: str = "") -> tuple[int, str]:
    """Exit code, and the calls, of a script of the page."""
    found = re.search(rf"<!-- script: {cloud} -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    (folder / "script.sh").write_text(found[1])
    (folder / "signing-policy.yml").write_text(POLICY)
    for name in ("aws", "az"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    path = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["/bin/sh", "script.sh"],
        cwd=folder,
        env={**os.environ, "PATH": os.pathsep.join(path), "FAILS": fails, "THERE": there},
        capture_output=True,
        check=False,
    )
    return done.returncode, (folder / "calls").read_text()


def test_the_script_for_aws(tmp_path: Path) -> None:
    code, calls = run(tmp_path, "aws")
    assert code == 0
    assert [line.split()[2] for line in calls.splitlines()] == ["create-role", "put-role-policy"]
    [role] = json.loads((tmp_path / "aws.json").read_text())["roles"]
    for name in ("trust", "permissions"):
        content = (tmp_path / f"{name}.json").read_text()
        assert content.isascii()  # IAM takes U+0020 to U+00FF only
        assert json.loads(content) == role[f"{name}-policy"]


def test_a_role_that_is_there_gets_no_permissions(tmp_path: Path) -> None:
    code, calls = run(tmp_path, "aws", fails="create-role")
    assert code != 0
    assert "put-role-policy" not in calls


def test_the_script_for_azure(tmp_path: Path) -> None:
    code, calls = run(tmp_path, "azure")
    assert code == 0
    [role] = json.loads((tmp_path / "azure.json").read_text())["roles"]
    definition = json.loads((tmp_path / "definition.json").read_text())
    assert definition == {**role["role-definition"], "AssignableScopes": ["/subscriptions/S"]}
    assert calls.count("rest --method post") == len(role["federated-credentials"])
    for vault, key in (("acme-audit", "audit"), ("acme-other", "other")):
        assert f"--scope /subscriptions/S/vaults/{vault}/keys/{key} " in calls
    assert calls.count("role assignment create") == 2


@pytest.mark.parametrize(
    ("fails", "there"), [("nothing", "ID"), ("list", ""), ("rest", ""), ("definition", ""),
                         ("keyvault", "")]
)  # fmt: skip
def test_an_application_that_is_there_is_left_alone(tmp_path: Path, fails: str, there: str) -> None:
    code, calls = run(tmp_path, "azure", fails=fails, there=there)
    assert code != 0
    assert ("ad app create" in calls) is (fails not in ("nothing", "list"))
    assert "role assignment create" not in calls
