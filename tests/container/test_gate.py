"""The gate in the action's container: a runner's token protocol, an issuer's keys over TLS."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.container.conftest import own
from tests.container.runner import Job, Step
from tests.issuer import BEARER, Issuer

AUDIT = "opa-decisions.jsonl"
POLICY = """version: 1
issuer: {issuer}
rules:
  - name: main of payments
    runs:
      repository: acme/payments
      repository_id: "123"
      ref: refs/heads/*
      event_name: [push, pull_request]
    may_sign_with: {{provider: kms, minimum_assurance: software-key}}
"""
# Where the token is the one of a fork's run: none.
NO_TOKEN = {"ACTIONS_ID_TOKEN_REQUEST_URL": "", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    one = Issuer(tmp_path)
    yield one
    one.close()


@pytest.fixture
def sign(job: Job, issuer: Issuer) -> Callable[..., Step]:
    """Signs as a step with ``id-token: write`` and a pinned policy of the issuer's."""

    def step(named: str = issuer.url, inputs: dict[str, str] | None = None, **env: str) -> Step:
        policy = job.workspace / "signing-policy.yml"
        policy.write_text(POLICY.format(issuer=named))
        shutil.copy(issuer.authority, job.workspace / "issuer.pem")
        own(job.root)
        given = {
            "audit-file": AUDIT,
            "provider": "kms",
            "signing-policy": policy.name,
            "signing-policy-sha256": hashlib.sha256(policy.read_bytes()).hexdigest(),
            **(inputs or {}),
        }
        # The token is of this run, whatever else it says.
        run = {
            f"GITHUB_{name.upper()}": issuer.claims[name] for name in ("run_id", "repository_id")
        }
        trusted = {"SSL_CERT_FILE": str(job.workspace / "issuer.pem")}
        environ = {**trusted, **run, **issuer.environ(), **env}
        return job.run(given, env=environ, flags=["--network=host"])

    return step


def left(job: Job) -> set[str]:
    """What is in the workspace beyond what the test put there."""
    put = {AUDIT, "signing-policy.yml", "issuer.pem"}
    return {path.name for path in job.workspace.iterdir()} - put


def refused(job: Job, step: Step, code: str, exit_code: int) -> str:
    """Check a refusal that left nothing behind; the annotation's text."""
    assert step.code == exit_code, step.log
    [error] = step.annotations("error")
    assert dict(error.properties)["title"] == f"policy audit: {code}"
    assert step.outputs == {}
    assert left(job) == set()
    assert BEARER not in step.log.replace(f"::add-mask::{BEARER}", "")
    return error.data


def test_an_allowed_run_signs_and_proves_it(
    job: Job, issuer: Issuer, sign: Callable[..., Step]
) -> None:
    step = sign()
    assert step.code == 0, step.log
    evidence = step.outputs["identity-file"]
    assert evidence == f"{AUDIT}.identity.jwt"
    kept = step.outputs["files"].splitlines()
    assert evidence in kept
    assert all((job.workspace / name).stat().st_size for name in kept)
    assert step.outputs["signing-policy-rule"] == "main of payments"
    policy = hashlib.sha256((job.workspace / "signing-policy.yml").read_bytes()).hexdigest()
    for shown in ("proved by the issuer", issuer.url, "repository_id", f"sha256:{policy}"):
        assert shown in step.summary
    # What the runner's variables say is another repository: the token decides.
    assert "acme/payments" in step.summary
    assert "example/policies" not in step.summary
    assert BEARER not in step.log.replace(f"::add-mask::{BEARER}", "")
    keys = {"issuer": issuer.url, "keys": [issuer.jwk()]}
    (job.workspace / "issuer-keys.json").write_text(json.dumps(keys))
    verify = {
        "mode": "verify",
        "audit-file": AUDIT,
        "public-key": f"{AUDIT}.pub",
        "issuer-keys": "issuer-keys.json",
        "signing-policy": "signing-policy.yml",
        "expect": "repository=acme/payments",
    }
    checked = job.run(verify, flags=["--network=none"])
    assert checked.code == 0, checked.log
    assert checked.outputs["identity"] == "proved"
    assert "<b>proved by the issuer" in checked.summary
    del verify["issuer-keys"], verify["signing-policy"]
    checked = job.run(verify, flags=["--network=none"])
    assert (checked.code, checked.outputs["identity"]) == (0, "claimed")
    assert "the word of whoever holds the key, not proved" in checked.summary


@pytest.mark.parametrize(
    ("claim", "value"),
    [("repository_id", "1234"), ("ref", "refs/heads/a/b"), ("event_name", "workflow_dispatch")],
)
def test_a_wrong_claim_is_refused(
    job: Job, issuer: Issuer, sign: Callable[..., Step], claim: str, value: str
) -> None:
    issuer.claims[claim] = value
    assert claim in refused(job, sign(), "not-allowed", 4)


def test_a_forks_pull_request_is_refused_by_the_event_file(
    job: Job, issuer: Issuer, sign: Callable[..., Step]
) -> None:
    issuer.claims["event_name"] = "pull_request"
    event = {"pull_request": {"head": {"repo": {"id": 999}}}}
    (job.workflow / "event.json").write_text(json.dumps(event))
    assert "pull_request_from_fork" in refused(job, sign(), "dangerous-run", 4)


def test_a_job_without_the_permission_is_told_so(job: Job, sign: Callable[..., Step]) -> None:
    message = refused(job, sign(**NO_TOKEN), "identity-missing", 4)
    assert "permissions: id-token: write" in message


@pytest.mark.parametrize("asks", ["keys", "token"])
def test_an_issuer_that_is_down(
    job: Job, issuer: Issuer, sign: Callable[..., Step], tmp_path: Path, asks: str
) -> None:
    (tmp_path / "gone").mkdir()
    gone = Issuer(tmp_path / "gone")
    gone.close()
    if asks == "keys":
        issuer.forge = lambda audience, _: gone.token(audience)
        refused(job, sign(gone.url), "issuer-unreachable", 3)
    else:
        refused(job, sign(**gone.environ()), "oidc-failed", 3)


@pytest.mark.parametrize("answer", ["huge", "empty", "slow"])
def test_keys_that_cannot_be_had(
    job: Job, issuer: Issuer, sign: Callable[..., Step], answer: str
) -> None:
    if answer == "slow":
        issuer.delay = 60.0  # six times what the signer waits; it ends with this process
    else:
        issuer.jwks = {"huge": b"[" * 10_000_000, "empty": b""}[answer]
    message = refused(job, sign(), "issuer-unreachable", 3)
    assert {"huge": "more than", "empty": "", "slow": "no answer within"}[answer] in message


def test_a_forks_run_is_skipped_where_that_is_asked_for(
    job: Job, sign: Callable[..., Step]
) -> None:
    event = {"pull_request": {"head": {"repo": {"id": 999}}}}
    (job.workflow / "event.json").write_text(json.dumps(event))
    fork = {"GITHUB_EVENT_NAME": "pull_request", **NO_TOKEN}
    step = sign(inputs={"if-unauthorized": "skip"}, **fork)
    assert step.code == 0, step.log
    assert step.outputs == {"skipped": "true", "results": "[]", "files": ""}
    [notice] = step.annotations("notice")
    assert "nothing was signed" in notice.data
    assert left(job) == set()
    refused(job, sign(**fork), "identity-missing", 4)
    # The run of a branch of this repository has no such excuse.
    event["pull_request"]["head"]["repo"]["id"] = 123
    (job.workflow / "event.json").write_text(json.dumps(event))
    step = sign(inputs={"if-unauthorized": "skip"}, **fork)
    refused(job, step, "identity-missing", 4)


def test_the_doctor_looks_at_it_all_and_leaves_nothing(
    job: Job, issuer: Issuer, sign: Callable[..., Step]
) -> None:
    step = sign(inputs={"mode": "doctor"})
    assert step.code == 0, step.log
    assert (step.outputs, left(job)) == ({}, set())
    for line in ("ok    token ", "ok    clock ", "ok    signing-policy ", "warn  key "):
        assert line in step.log
    assert "signing-rule" in step.summary
    assert [dict(one.properties)["title"] for one in step.annotations("warning")]
    issuer.claims["repository"] = "acme/other"
    step = sign(inputs={"mode": "doctor"})
    assert step.code == 4, step.log
    assert "repository is 'acme/other', wanted acme/payments" in step.log
    assert BEARER not in step.log.replace(f"::add-mask::{BEARER}", "")
