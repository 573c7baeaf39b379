"""The doctor in a job whose tokens are real: an issuer over TLS, its keys, its clock."""

import hashlib
import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.issuer import BEARER, Issuer
from tests.unit.support import EVENTS

ROOT = Path(__file__).parents[3]
POLICY = """version: 1
issuer: {issuer}
rules:
  - name: main of payments
    runs: {{repository: acme/payments, repository_id: "123", ref: refs/heads/main}}
    may_sign_with: {{provider: kms, key: alias/policy-audit, max_audit_file: 1KB}}
"""


class Job:
    """A job with a policy, a key of the embedded KMS and an audit file."""

    def __init__(self, issuer: Issuer, folder: Path) -> None:
        self.issuer, self.folder = issuer, folder
        self.policy = folder / "policy.yml"
        self.policy.write_text(POLICY.format(issuer=issuer.url))
        (folder / "audit.jsonl").write_bytes(EVENTS)
        self.summary = folder / "summary"
        self.pinned: tuple[str, ...] = ()
        for name in ("summary", "output"):
            (folder / name).touch()
        self.environ = {
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder / "home"),
            "SSL_CERT_FILE": str(issuer.authority),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(folder),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "POLICY_SIGNING_POLICY": str(self.policy),
            "POLICY_SIGNING_PROVIDER": "kms",
            **issuer.environ(),
        }

    def pin(self) -> None:
        digest = hashlib.sha256(self.policy.read_bytes()).hexdigest()
        self.pinned = ("--signing-policy-sha256", digest)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run the command line; nothing secret is in what it prints."""
        pinned = self.pinned if arguments[0] in ("sign", "doctor") else ()
        done = subprocess.run(
            [sys.executable, "-c", "from signer.cli import main; main()", *arguments, *pinned],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr + done.stdout
        shown = [
            line
            for line in (done.stdout + done.stderr).splitlines()
            if not line.startswith("::add-mask::")
        ]
        assert BEARER not in "\n".join(shown)
        assert "eyJ" not in done.stdout + done.stderr
        return done.returncode, done.stdout

    def doctor(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run the doctor, which leaves the folder as it is."""
        before = {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}
        code, out = self.run("doctor", "audit.jsonl", "--json", *arguments)
        assert before == {
            path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }
        return code, {check["name"]: check for check in json.loads(out)["checks"]}


@pytest.fixture
def job(issuer: Issuer, tmp_path: Path) -> Job:
    folder = tmp_path / "workspace"
    folder.mkdir()
    found = Job(issuer, folder)
    found.pin()
    found.run("kms", "create-key", "--alias", "alias/policy-audit")
    return found


def test_what_the_doctor_promises_signing_keeps(job: Job) -> None:
    code, checks = job.doctor()
    assert code == 0, checks
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert "verified with the keys of" in checks["token"]["detail"]
    assert "repository acme/payments" in checks["token"]["detail"]
    assert checks["signing-rule"]["detail"] == "'main of payments' allows this"
    assert job.run("sign", "audit.jsonl")[0] == 0
    code, checks = job.doctor()
    assert (code, checks["outputs"]["code"]) == (2, "output-exists")


def test_the_token_opens_nothing(job: Job) -> None:
    asked = []

    def make(audience: str, issuer: Issuer) -> str:
        asked.append(audience)
        return issuer.token(audience)

    job.issuer.forge = make
    assert job.doctor()[0] == 0
    assert asked == ["policy-audit:doctor"]


@pytest.mark.parametrize(
    ("claim", "value", "code"),
    [
        ("ref", "refs/heads/x", "not-allowed"),
        ("repository", "acme/payments-evil", "not-allowed"),
        ("runner_environment", "self-hosted", None),
        ("repository_visibility", "public", None),
    ],
)
def test_what_the_doctor_refuses_signing_refuses(
    job: Job, claim: str, value: str, code: str | None
) -> None:
    job.issuer.claims[claim] = value
    ended, checks = job.doctor()
    assert ended == (4 if code else 0)
    assert checks["signing-rule"].get("code") == code
    if code:
        assert f"{claim} is '{value}', wanted" in checks["signing-rule"]["detail"]
    assert job.run("sign", "audit.jsonl")[0] == ended


def test_a_dangerous_run(job: Job) -> None:
    job.issuer.claims |= {"runner_environment": "self-hosted", "repository_visibility": "public"}
    ended, checks = job.doctor()
    assert (ended, checks["signing-rule"]["code"]) == (4, "dangerous-run")


def test_a_file_that_is_too_large_for_the_rule(job: Job) -> None:
    (job.folder / "audit.jsonl").write_bytes(EVENTS * 100)
    ended, checks = job.doctor()
    assert (ended, checks["signing-rule"]["code"]) == (4, "not-allowed")
    assert "max_audit_file" in checks["signing-rule"]["detail"]


@pytest.mark.parametrize(("days", "status"), [(10, "ok"), (81, "warn"), (101, "fail")])
def test_a_key_and_its_rules_limit(job: Job, days: int, status: str) -> None:
    limited = job.policy.read_text().replace("max_audit_file: 1KB", "max_key_age: 100d")
    job.policy.write_text(limited)
    job.pin()
    made = datetime.now(UTC) - timedelta(days=days)
    [path] = job.folder.parent.rglob("key-*.json")
    changed = re.sub(
        '"created": "[^"]*"', f'"created": "{made:%Y-%m-%dT%H:%M:%SZ}"', path.read_text()
    )
    path.write_text(changed)
    ended, checks = job.doctor()
    assert checks["key-age"]["status"] == status
    assert checks["signing-rule"]["status"] == ("fail" if status == "fail" else "ok")
    assert ended == (4 if status == "fail" else 0)
    assert job.run("sign", "audit.jsonl")[0] == ended


def test_a_policy_that_nobody_pinned(job: Job) -> None:
    job.pinned = ()
    ended, checks = job.doctor()
    assert (ended, checks["signing-rule"]["code"]) == (4, "policy-not-protected")
    assert checks["signing-policy"]["status"] == "ok"


def test_a_job_without_a_token(job: Job) -> None:
    del job.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    ended, checks = job.doctor()
    assert (ended, checks["token"]["code"]) == (4, "identity-missing")
    assert "id-token: write" in checks["token"]["fix"]
    assert checks["signing-rule"]["status"] == checks["clock"]["status"] == "skip"
    assert checks["key"]["status"] == "ok"


@pytest.mark.parametrize(
    ("seconds", "token", "clock"),
    [(20, "ok", "ok"), (90, "fail", "warn"), (400, "fail", "fail"), (-90, "ok", "warn")],
)
def test_a_clock_that_is_off(job: Job, seconds: int, token: str, clock: str) -> None:
    def make(audience: str, issuer: Issuer) -> str:
        now = int(time.time()) + seconds
        return issuer.token(audience, iat=now, nbf=now - 5, exp=now + 300)

    job.issuer.forge = make
    ended, checks = job.doctor()
    assert (checks["token"]["status"], checks["clock"]["status"]) == (token, clock)
    assert ended == (4 if token == "fail" else 0)


def test_a_token_of_somebody_else(job: Job) -> None:
    job.issuer.forge = lambda audience, issuer: jwt.encode(
        issuer.payload(audience), "k" * 32, algorithm="HS256", headers={"kid": issuer.kid}
    )
    ended, checks = job.doctor()
    assert (ended, checks["token"]["code"]) == (4, "identity-bad")
    job.issuer.forge = lambda audience, issuer: issuer.token("sts.amazonaws.com")
    ended, checks = job.doctor()
    assert (ended, checks["token"]["code"]) == (4, "identity-bad")


def test_an_issuer_that_has_no_keys(job: Job) -> None:
    job.issuer.jwks = b"{}"
    ended, checks = job.doctor()
    assert (ended, checks["token"]["code"]) == (3, "issuer-unreachable")
    assert checks["signing-rule"]["status"] == "skip"
    assert checks["key-age"]["status"] == "ok"


def test_in_a_run_step(job: Job) -> None:
    job.issuer.claims["ref"] = "refs/heads/x"
    code, out = job.run("doctor", "audit.jsonl", "--github")
    assert code == 4
    assert "::error title=policy audit%3A not-allowed::signing-rule: no rule" in out
    assert "signing would NOT work" in job.summary.read_text()
