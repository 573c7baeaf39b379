"""The scripts of two pages, run with commands that only write down how they are called."""

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.crypto.keys import PublicKey

DOCS = Path(__file__).parents[3] / "docs"
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
  *" ad app show "*) echo APP;;
  *" kms get-public-key "*) printf "%s\\n" "$DER";;
  *" kms describe-key "*) echo KEY-ID;;
  *" kms get-key-policy "*) cat key-policy.json;;
  *" kms put-key-policy "*) cp after.json put.json;;
  *) echo ID;;
esac
"""

pytestmark = pytest.mark.peer("jq")


# As KMS makes it, and what somebody has added since.
ACCOUNT = {"Sid": "Enable IAM", "Effect": "Allow", "Action": "kms:*", "Resource": "*"}
NO_SID = {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}


def run(
    folder: Path, script: str, *, fails: str = "nothing", n: int = 0, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of the page; ``calls`` has what it called."""
    pages = "".join((DOCS / f"{name}.md").read_text() for name in ("gate-cloud", "verifying"))
    [found] = re.findall(rf"<!-- script: {script} -->\n```sh\n(.*?)```", pages, re.DOTALL)
    (folder / "script.sh").write_text(found.replace("\nn=0\n", f"\nn={n}\n"))
    (folder / "signing-policy.yml").write_text(POLICY)
    (folder / "calls").write_text("")
    for name in ("aws", "az"):
        (folder / name).write_text(FAKE)
        (folder / name).chmod(0o755)
    path = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    return subprocess.run(
        ["/bin/sh", "script.sh"],
        cwd=folder,
        env={**os.environ, "PATH": os.pathsep.join(path), "FAILS": fails, "THERE": "", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def calls_in(folder: Path) -> str:
    return (folder / "calls").read_text()


def put(folder: Path, key_policy: dict[str, Any]) -> None:
    (folder / "key-policy.json").write_text(json.dumps(key_policy))
    (folder / "put.json").unlink(missing_ok=True)


def statements(folder: Path) -> list[dict[str, Any]]:
    """Of the policy that the key was given."""
    made = json.loads((folder / "put.json").read_text())
    assert made["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = made["Statement"]
    return found


def test_the_script_for_aws(tmp_path: Path) -> None:
    done = run(tmp_path, "aws")
    assert done.returncode == 0
    made = [line.split()[2] for line in calls_in(tmp_path).splitlines()]
    assert made == ["create-role", "put-role-policy"]
    [role] = json.loads((tmp_path / "aws.json").read_text())["roles"]
    assert done.stdout.splitlines()[-1] == role["arn"]
    for name in ("trust", "permissions"):
        content = (tmp_path / f"{name}.json").read_text()
        assert content.isascii()  # IAM takes U+0020 to U+00FF only
        assert json.loads(content) == role[f"{name}-policy"]


def test_a_role_that_is_there_gets_no_permissions(tmp_path: Path) -> None:
    assert run(tmp_path, "aws", fails="create-role").returncode != 0
    assert "put-role-policy" not in calls_in(tmp_path)


@pytest.mark.parametrize("cloud", ["aws", "azure"])
def test_a_role_that_is_not_compiled_is_not_made(tmp_path: Path, cloud: str) -> None:
    done = run(tmp_path, cloud, n=1)
    assert done.returncode == 1
    assert f"{cloud}.json has no role 1" in done.stderr
    assert calls_in(tmp_path) == ""


@pytest.mark.parametrize("there", [[ACCOUNT, NO_SID], ACCOUNT])
def test_a_keys_policy_gets_the_roles_statements_and_keeps_the_others(
    tmp_path: Path, there: list[dict[str, Any]] | dict[str, Any]
) -> None:
    run(tmp_path, "aws")
    [role] = json.loads((tmp_path / "aws.json").read_text())["roles"]
    new = role["key-policies"][0]["statements"]
    old = there if isinstance(there, list) else [there]
    before = {"Version": "2012-10-17", "Id": "its", "Statement": there}
    put(tmp_path, before)
    assert run(tmp_path, "aws-keys").returncode == 0
    assert statements(tmp_path) == [*old, *new]
    asked, read, written = calls_in(tmp_path).splitlines()
    assert f"--region eu-central-1 --key-id {role['key-policies'][0]['key']} " in asked
    for call in (read, written):
        assert "--region eu-central-1 --key-id KEY-ID --policy-name default" in call
    [kept] = tmp_path.glob("KEY-ID-*.json")
    assert json.loads(kept.read_text()) == before
    # Again, with another role's statements there: nothing is there twice.
    other = {**new[0], "Sid": f"x{new[0]['Sid']}"}
    stale = {**new[0], "Action": "kms:*"}
    put(tmp_path, {**before, "Statement": [*old, other, stale, *new[1:]]})
    assert run(tmp_path, "aws-keys").returncode == 0
    assert statements(tmp_path) == [*old, other, *new]


@pytest.mark.parametrize("fails", ["describe-key", "get-key-policy"])
def test_a_keys_policy_that_cannot_be_read_is_left_alone(tmp_path: Path, fails: str) -> None:
    run(tmp_path, "aws")
    put(tmp_path, {"Version": "2012-10-17", "Statement": [ACCOUNT]})
    assert run(tmp_path, "aws-keys", fails=fails).returncode != 0
    (tmp_path / "key-policy.json").write_text("")
    assert run(tmp_path, "aws-keys").returncode != 0
    assert run(tmp_path, "aws-old-keys", old="x", key="KEY-ID").returncode != 0
    assert not (tmp_path / "put.json").exists()


def test_an_old_roles_statements_are_taken_out_and_no_other(tmp_path: Path) -> None:
    run(tmp_path, "aws")
    [role] = json.loads((tmp_path / "aws.json").read_text())["roles"]
    new = role["key-policies"][0]["statements"]
    other = {**new[0], "Sid": new[0]["Sid"].replace("policyaudit", "policyauditx")}
    put(tmp_path, {"Version": "2012-10-17", "Statement": [ACCOUNT, *new, other, NO_SID]})
    done = run(tmp_path, "aws-old-keys", old=role["name"], key="KEY-ID")
    assert done.returncode == 0
    assert statements(tmp_path) == [ACCOUNT, other, NO_SID]


def test_the_script_for_azure(tmp_path: Path) -> None:
    done = run(tmp_path, "azure")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "APP"  # the workflow's azure-client-id
    calls = calls_in(tmp_path)
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
    done = run(tmp_path, "azure", fails=fails, THERE=there)
    calls = calls_in(tmp_path)
    assert done.returncode != 0
    assert ("is there already (ID)" in done.stderr) is bool(there)
    assert ("ad app create" in calls) is (fails not in ("nothing", "list"))
    assert "role assignment create" not in calls


@pytest.mark.peer("openssl")
@pytest.mark.peer("ssh-keygen")
def test_a_trusted_key_is_made_of_what_aws_gives(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    done = run(tmp_path, "aws-key", key="alias/audit", DER=b64encode(der).decode())
    assert done.returncode == 0
    assert "kms get-public-key --key-id alias/audit --query PublicKey" in calls_in(tmp_path)
    made = (tmp_path / "trusted.pub").read_bytes()
    assert made == key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    [printed] = re.findall(r"`(ssh-keygen -i .*?)`", (DOCS / "verifying.md").read_text())
    shown = subprocess.check_output(["/bin/sh", "-c", printed], cwd=tmp_path, text=True)
    assert shown.split()[1] == PublicKey.from_pem(made).fingerprint
