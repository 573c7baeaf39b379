"""What a review by a hostile reader found, and what must not come back."""

import base64
import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from signer.action import act
from signer.errors import GateError, ProviderError
from signer.gate.decide import Gate
from signer.gate.policy import CLAIMS, load
from signer.github.oidc import request_token
from tests.integration.gate.support import POLICY, refused, repin, signed, verified
from tests.issuer import BEARER, Issuer
from tests.unit.support import EVENTS, RecordedLog

ALL_CLAIMS = {
    "repository": "acme/payments",
    "repository_id": "123",
    "repository_owner_id": "7",
    "ref": "refs/heads/main",
    "ref_protected": "true",
    "workflow_ref": "acme/payments/.github/workflows/a.yml@refs/heads/main",
    "job_workflow_ref": "acme/ci/.github/workflows/sign.yml@refs/tags/v1",
    "event_name": "push",
    "environment": "production",
    "actor": "ann",
    "runner_environment": "github-hosted",
    "repository_visibility": "private",
}
OTHERS = {
    "repository": "acme/payments-evil",
    "repository_id": "1234",
    "repository_owner_id": "77",
    "ref": "refs/heads/evil",
    "ref_protected": "false",
    "workflow_ref": "acme/payments/.github/workflows/a.yml@refs/heads/evil@refs/heads/main",
    "job_workflow_ref": "acme/ci/.github/workflows/sign.yml@refs/heads/v1",
    "event_name": "schedule",
    "environment": "Production",
    "actor": "ann-evil",
    "runner_environment": "self-hosted",
    "repository_visibility": "internal",
}


def with_all_claims(issuer: Issuer, environ: dict[str, str]) -> None:
    """A policy of one rule that names every claim, and a run that has them."""
    policy = {
        "version": "1",
        "issuer": issuer.url,
        "rules": [{"name": "all", "runs": ALL_CLAIMS, "may_sign_with": {"provider": "kms"}}],
    }
    repin(environ, json.dumps(policy))
    issuer.claims |= ALL_CLAIMS


def test_a_run_with_every_claim_signs(issuer: Issuer, environ: dict[str, str]) -> None:
    assert ALL_CLAIMS.keys() == OTHERS.keys() == set(CLAIMS)
    with_all_claims(issuer, environ)
    assert signed(environ)["identity"]["claims"] == ALL_CLAIMS


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_claim_decides(issuer: Issuer, environ: dict[str, str], claim: str) -> None:
    with_all_claims(issuer, environ)
    issuer.claims[claim] = OTHERS[claim]
    refused(environ, "not-allowed")
    del issuer.claims[claim]
    refused(environ, "not-allowed")


@pytest.mark.parametrize(
    ("claims", "danger"),
    [
        ({"event_name": "pull_request_target"}, "pull_request_target"),
        (
            {"runner_environment": "self-hosted", "repository_visibility": "public"},
            "self_hosted_in_public",
        ),
    ],
)
def test_the_auditors_policy_refuses_the_dangers_that_claims_tell(
    issuer: Issuer, environ: dict[str, str], tmp_path: Path, claims: dict[str, str], danger: str
) -> None:
    strict = POLICY.format(issuer=issuer.url).replace(
        "[push, pull_request]", "[push, pull_request, pull_request_target]"
    )
    lax = f"{strict}    allow_dangerous: {danger}\n"
    repin(environ, lax)
    issuer.claims |= claims
    signed(environ)
    assert verified(tmp_path, issuer, lax)["identity"] == "proved"
    answer = verified(tmp_path, issuer, strict)
    assert (answer["verified"], answer["reason"]) == (False, "not-allowed-by-policy")
    assert danger in answer["message"]


@pytest.mark.parametrize("danger", ["pull_request_target", "workflow_run_from_fork"])
def test_no_policy_out_of_a_strangers_checkout_allows_its_own_danger(
    issuer: Issuer, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, danger: str
) -> None:
    event = danger.removesuffix("_from_fork")
    monkeypatch.setattr("signer.gate.decide.GITHUB_ISSUER", issuer.url)
    issuer.claims |= {"event_name": event, "ref_protected": "true"}
    text = POLICY.format(issuer=issuer.url).replace("[push, pull_request]", event)
    repin(environ, f"{text}    allow_dangerous: {danger}\n")
    pin = environ.pop("INPUT_SIGNING-POLICY-SHA256")
    assert "stranger" in str(refused(environ, "policy-not-protected"))
    signed({**environ, "INPUT_SIGNING-POLICY-SHA256": pin})


def test_a_pin_that_only_the_environment_has_vouches_for_nothing(
    issuer: Issuer, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signer.gate.decide.GITHUB_ISSUER", issuer.url)
    pin = environ.pop("INPUT_SIGNING-POLICY-SHA256")
    issuer.claims["ref_protected"] = "false"
    refused({**environ, "POLICY_SIGNING_POLICY_SHA256": pin}, "policy-not-protected")
    issuer.claims["ref_protected"] = "true"
    refused({**environ, "POLICY_SIGNING_POLICY_SHA256": "0" * 64}, "policy-not-pinned-one")
    signed({**environ, "POLICY_SIGNING_POLICY_SHA256": pin})


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GITHUB_RUN_ID", "43"), ("GITHUB_RUN_ATTEMPT", "2"), ("GITHUB_REPOSITORY_ID", "999")],
)
def test_a_token_of_another_run_is_refused(
    issuer: Issuer, environ: dict[str, str], variable: str, value: str
) -> None:
    issuer.claims["run_attempt"] = "1"
    here = {"GITHUB_RUN_ID": "42", "GITHUB_RUN_ATTEMPT": "1", "GITHUB_REPOSITORY_ID": "123"}
    refused({**environ, **here, variable: value}, "identity-bad")
    signed({**environ, **here})


@pytest.mark.parametrize(
    "event",
    [
        {"workflow_run": {"event": "workflow_run", "head_repository": {"id": 123}}},
        {"workflow_run": {"event": "pull_request_target", "head_repository": {"id": 123}}},
    ],
)
def test_what_started_a_chain_of_runs_is_not_known(
    issuer: Issuer, environ: dict[str, str], tmp_path: Path, event: Any
) -> None:
    text = POLICY.format(issuer=issuer.url).replace("[push, pull_request]", "workflow_run")
    repin(environ, text)
    issuer.claims["event_name"] = "workflow_run"
    (tmp_path / "event.json").write_text(json.dumps(event))
    environ["GITHUB_EVENT_PATH"] = str(tmp_path / "event.json")
    assert "workflow_run_from_fork" in str(refused(environ, "dangerous-run"))


def test_a_run_whose_event_is_not_known_is_dangerous(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    repin(
        environ,
        POLICY.format(issuer=issuer.url).replace("      event_name: [push, pull_request]\n", ""),
    )
    del issuer.claims["event_name"]
    assert "pull_request_target" in str(refused(environ, "dangerous-run"))


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        ({"pull_request": {"head": {"repo": {"id": 123}}}}, {"GITHUB_REPOSITORY_ID": ""}),
        ({"x": 1}, {}),
        ({"pull_request": {"head": {}}}, {}),
        ({}, {"GITHUB_EVENT_NAME": "schedule", "GITHUB_ACTOR": "dependabot[bot]"}),
    ],
)
def test_what_may_be_the_repositorys_own_run_is_not_skipped(
    environ: dict[str, str], tmp_path: Path, event: Any, changes: dict[str, str]
) -> None:
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    (tmp_path / "event.json").write_text(json.dumps(event))
    job = environ | {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY_ID": "123",
        "INPUT_IF-UNAUTHORIZED": "skip",
    }
    refused(job | changes, "identity-missing")


def test_a_deleted_forks_run_is_skipped(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    (tmp_path / "event.json").write_text('{"pull_request": {"head": {"repo": null}}}')
    job = environ | {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY_ID": "123",
        "INPUT_IF-UNAUTHORIZED": "skip",
    }
    assert act(job, RecordedLog(), container=False) == 0
    assert "skipped" in (tmp_path / "output").read_text()


def test_a_plain_signature_is_in_the_statement_and_asked_for_when_verifying(
    issuer: Issuer, environ: dict[str, str], tmp_path: Path
) -> None:
    strict = POLICY.format(issuer=issuer.url)
    lax = strict.replace("max_audit_file: 1KB", "plain_signature: true")
    repin(environ, lax)
    assert signed({**environ, "INPUT_PLAIN-SIGNATURE": "true"})["signing"]["plainSignature"] is True
    # Wherever it went: the statement says that it was made.
    (tmp_path / "audit.jsonl.sig").unlink()
    assert verified(tmp_path, issuer, lax)["verified"] is True
    assert verified(tmp_path, issuer, strict)["reason"] == "not-allowed-by-policy"


def test_a_token_that_did_not_hold_when_it_was_signed_proves_nothing(
    issuer: Issuer, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = POLICY.format(issuer=issuer.url)
    now = int(time.time())
    for times in ({"nbf": now + 600, "exp": now + 900}, {"nbf": now - 900, "exp": now - 600}):
        token = issuer.token(f"policy-audit:sha256:{hashlib.sha256(EVENTS).hexdigest()}", **times)
        digest = hashlib.sha256(token.encode()).hexdigest()
        monkeypatch.setattr("signer.gate.identity.ProvedIdentity.sha256", digest)
        signed({**environ, "INPUT_OVERWRITE": "true"})
        (tmp_path / "audit.jsonl.identity.jwt").write_text(token)
        answer = verified(tmp_path, issuer, policy)
        assert answer["reason"] == "identity-not-proved"
        assert "did not hold at the time of signing" in answer["message"]


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"issuer": "https://issuer.example"}, "it calls itself"),
        ({"jwks_uri": "https://localhost:1/.well-known/jwks"}, "its keys are on another host"),
        ({"jwks_uri": "http://127.0.0.1/.well-known/jwks"}, "its keys are on another host"),
        ({"jwks_uri": "{url}/moved"}, "302"),
    ],
)
def test_the_issuers_keys_come_from_the_issuer_itself(
    issuer: Issuer, environ: dict[str, str], about: dict[str, str], told: str
) -> None:
    issuer.about = {name: value.format(url=issuer.url) for name, value in about.items()}
    assert told in str(refused(environ, "issuer-unreachable", ProviderError))
    assert issuer.fetched == 0


def test_a_key_that_is_too_weak_is_none_of_the_issuers(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    def encode(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    def forge(audience: str, issuer: Issuer) -> str:
        # By hand: PyJWT signs with no such key.
        head = encode(json.dumps({"alg": "RS256", "kid": "weak"}).encode())
        body = encode(json.dumps(issuer.payload(audience)).encode())
        signature = weak.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{head}.{body}.{encode(signature)}"

    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    strong, issuer.key = issuer.key, weak
    jwk = {**issuer.jwk(), "kid": "weak"}
    issuer.key = strong
    issuer.jwks = json.dumps({"keys": [issuer.jwk(), jwk]}).encode()
    issuer.forge = forge
    assert "not among the issuer's" in str(refused(environ, "identity-bad"))


def test_an_alias_is_a_name_of_the_embedded_kms_only(environ: dict[str, str]) -> None:
    from signer.gate.matching import key_names

    vault = "https://v.vault.azure.net/keys/n/1"
    assert "alias/policy-audit" not in key_names(vault, "alias/policy-audit")


@pytest.fixture
def answering() -> Iterator[Any]:
    """A server that answers with given bytes, slowly where asked, and what clients sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    said: dict[str, Any] = {"answer": b"", "pause": 0.0, "requests": []}

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                said["requests"].append(connection.recv(65536))
                try:
                    for start in range(0, len(said["answer"]), 8 if said["pause"] else 1 << 20):
                        step = 8 if said["pause"] else 1 << 20
                        connection.sendall(said["answer"][start : start + step])
                        time.sleep(said["pause"])
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    said["environ"] = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{listener.getsockname()[1]}/token",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
    }
    yield said
    listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60000,
        b"",
    ],
)
def test_whatever_answers_in_githubs_place_is_an_error_of_ours(
    answering: Any, answer: bytes
) -> None:
    answering["answer"] = answer
    with pytest.raises(ProviderError) as caught:
        request_token(answering["environ"], "x", timeout=5)
    assert caught.value.code == "oidc-failed"


def test_an_answer_that_drips_is_not_waited_for(answering: Any) -> None:
    answering |= {
        "answer": b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b" " * 4000,
        "pause": 0.1,
    }
    with pytest.raises(ProviderError, match=r"no answer within 0\.5 s"):
        request_token(answering["environ"], "x", timeout=0.5)


def test_a_request_token_that_no_header_takes_is_not_shown(answering: Any) -> None:
    environ = answering["environ"] | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": f"{BEARER}\n"}
    with pytest.raises(ProviderError) as caught:
        request_token(environ, "x")
    assert BEARER not in str(caught.value)
    assert answering["requests"] == []


def test_the_gate_reads_the_policy_once(
    issuer: Issuer, environ: dict[str, str], tmp_path: Path
) -> None:
    path = Path(environ["INPUT_SIGNING-POLICY"])
    gate = Gate(load(path), pinned=True, environ={})
    os.truncate(path, 0)
    with pytest.raises(GateError, match="no rule"):
        gate.decide({"repository": "acme/other"}, None)
