"""The action against an issuer over TLS: the right run, every wrong one, and attacks on tokens."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from signer.action import act
from signer.audit.statement import Statement
from signer.cli import parser
from signer.errors import OutputError, ProviderError, UsageError
from signer.gate import issuer as issuers
from signer.gate.policy import GITHUB_ISSUER
from signer.github import oidc
from tests.integration.gate.support import POLICY, refused, signed, verified
from tests.issuer import Issuer
from tests.unit import runner
from tests.unit.support import EVENTS, RecordedLog

ROOT = Path(__file__).parents[3]


def test_claims_and_not_variables_are_stated(environ: dict[str, str]) -> None:
    predicate = signed(environ)
    token = Path(environ["INPUT_AUDIT-FILE"] + ".identity.jwt").read_bytes()
    assert predicate["run"]["repository"] == "acme/payments"
    assert predicate["identity"]["verified"] is True
    assert predicate["identity"]["claims"]["repository_id"] == "123"
    assert predicate["identity"]["tokenSha256"] == hashlib.sha256(token).hexdigest()
    assert predicate["signingPolicy"]["rule"] == "main of payments"
    assert predicate["signingPolicy"]["digest"]["sha256"] == environ["INPUT_SIGNING-POLICY-SHA256"]
    outputs = runner.outputs(Path(environ["GITHUB_OUTPUT"]).read_text())
    assert outputs["identity-file"].endswith("audit.jsonl.identity.jwt")
    assert outputs["identity-file"] in outputs["files"].splitlines()
    assert outputs["signing-policy-rule"] == "main of payments"


def test_the_permit_is_for_this_very_file(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def request_token(environ: dict[str, str], audience: str) -> str:
        asked.append(audience)
        return oidc.request_token(environ, audience)

    monkeypatch.setattr("signer.gate.identity.request_token", request_token)
    signed(environ)
    assert asked == [f"policy-audit:sha256:{hashlib.sha256(EVENTS).hexdigest()}"]


def test_nothing_is_overwritten_by_evidence(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl.identity.jwt").write_text("kept")
    refused(environ, "output-exists", OutputError)
    assert (tmp_path / "audit.jsonl.identity.jwt").read_text() == "kept"


def test_the_sample_policy_of_the_docs_works(
    issuer: Issuer,
    environ: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sample = (ROOT / "docs" / "gate.md").read_text().split("```yaml\n")[1].split("```")[0]
    right = {
        "repository_id": "123456789",
        "environment": "production",
    }
    policy, claims = tmp_path / "policy.yml", tmp_path / "claims.json"
    policy.write_text(sample)
    for environment, code in (("production", 0), ("staging", 4)):
        claims.write_text(json.dumps({**issuer.claims, **right, "environment": environment}))
        arguments = parser().parse_args(["policy", "check", str(policy), "--claims", str(claims)])
        assert arguments.run(arguments, {}, RecordedLog()) == code
        assert "nightly audit of payments" in capsys.readouterr().out

    for there, here in (
        (GITHUB_ISSUER, issuer.url),
        ("aws_kms_sdk", "kms"),
        ("arn:aws:kms:eu-central-1:111122223333:alias/audit", "alias/policy-audit"),
    ):
        assert there in sample
        sample = sample.replace(there, here)
    policy.write_text(sample)
    pin = hashlib.sha256(policy.read_bytes()).hexdigest()
    environ["INPUT_SIGNING-POLICY-SHA256"] = pin
    refused(environ, "not-allowed")
    issuer.claims |= right
    predicate = signed(environ)
    assert predicate["signingPolicy"]["rule"] == "nightly audit of payments"
    assert predicate["signingPolicy"]["digest"]["sha256"] == pin
    assert predicate["identity"]["claims"]["environment"] == "production"


def test_evidence_can_be_left_out(environ: dict[str, str], tmp_path: Path) -> None:
    signed({**environ, "INPUT_IDENTITY-EVIDENCE": "false"})
    assert not (tmp_path / "audit.jsonl.identity.jwt").exists()


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("repository", "acme/payments-evil"),
        ("repository", "acme/Payments"),
        ("repository", "acme/p\N{CYRILLIC SMALL LETTER A}yments"),
        ("repository_id", "1234"),
        ("repository_id", 123),
        ("ref", "refs/heads/feature/x"),
        ("ref", "refs/heads/main\n/"),
        ("ref", "refs/tags/main"),
        ("event_name", "workflow_dispatch"),
        ("event_name", None),
    ],
)
def test_each_claim_decides(
    issuer: Issuer, environ: dict[str, str], claim: str, value: object
) -> None:
    issuer.claims[claim] = value
    refused(environ, "not-allowed")


def _unsigned(audience: str, issuer: Issuer) -> str:
    return jwt.encode(issuer.payload(audience), "", algorithm="none", headers={"kid": issuer.kid})


def _confused(audience: str, issuer: Issuer) -> str:
    # The public key as an HMAC secret; PyJWT refuses to make such a token, so it is made by hand.
    import hmac

    def encode(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    pem = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = encode(json.dumps({"alg": "HS256", "kid": issuer.kid}).encode())
    body = encode(json.dumps(issuer.payload(audience)).encode())
    mac = hmac.new(pem, f"{head}.{body}".encode(), "sha256").digest()
    return f"{head}.{body}.{encode(mac)}"


def _injected(header: str) -> Callable[[str, Issuer], str]:
    def forge(audience: str, issuer: Issuer) -> str:
        own = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        honest, issuer.key = issuer.key, own
        jwk = issuer.jwk()
        issuer.key = honest
        issuer.evil = [jwk]
        value = {"jwk": jwk, "jku": f"{issuer.url}/evil", "kid": "../../evil"}[header]
        headers = {"kid": issuer.kid, header: value}
        return jwt.encode(issuer.payload(audience), own, algorithm="RS256", headers=headers)

    return forge


def _without(claim: str) -> Callable[[str, Issuer], str]:
    def forge(audience: str, issuer: Issuer) -> str:
        payload = {k: v for k, v in issuer.payload(audience).items() if k != claim}
        return jwt.encode(payload, issuer.key, algorithm="RS256", headers={"kid": issuer.kid})

    return forge


def _changed(**changes: Any) -> Callable[[str, Issuer], str]:
    return lambda audience, issuer: issuer.token(audience, **changes)


def _timed(**ahead: int) -> Callable[[str, Issuer], str]:
    """A token with times so many seconds ahead of when it is asked for."""

    def forge(audience: str, issuer: Issuer) -> str:
        now = int(time.time())
        return issuer.token(audience, **{name: now + ahead[name] for name in ahead})

    return forge


BAD_TOKENS = {
    "alg none": _unsigned,
    "RS256/HS256 confusion": _confused,
    "jwk": _injected("jwk"),
    "jku": _injected("jku"),
    "kid": _injected("kid"),
    "expired": _timed(exp=-60),
    "of the future": _timed(nbf=3600),
    "issued in the future": _timed(iat=3600),
    **{
        f"no {missing}": _without(missing)
        for missing in ("exp", "nbf", "iat", "iss", "aud")
    },
    "crit": lambda audience, issuer: jwt.encode(
        issuer.payload(audience), issuer.key, algorithm="RS256",
        headers={"kid": issuer.kid, "crit": ["exp"]},
    ),
    "too large": lambda audience, issuer: issuer.token(audience, padding="x" * (1 << 14)),
    "other issuer": _changed(iss="https://token.actions.githubusercontent.com"),
    "replayed: of another file": _changed(aud="policy-audit:sha256:" + "0" * 64),
    "of another service": _changed(aud="sts.amazonaws.com"),
    "several audiences": lambda audience, issuer: issuer.token(
        audience, aud=[audience, "sts.amazonaws.com"]
    ),
    "altered": lambda audience, issuer: issuer.token(audience)[:-8] + "AAAAAAAA",
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_bad_tokens_are_refused(issuer: Issuer, environ: dict[str, str], name: str) -> None:
    issuer.forge = BAD_TOKENS[name]
    refused(environ, "identity-bad")
    assert "/evil" not in issuer.asked


def test_no_token(environ: dict[str, str]) -> None:
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    refused(environ, "identity-missing")


@pytest.mark.parametrize("jwks", [b"x" * 300_000, b"[]", b"{", b'{"keys":[]}', b'{"keys":[1]}'])
def test_bad_jwks(issuer: Issuer, environ: dict[str, str], jwks: bytes) -> None:
    issuer.jwks = jwks
    refused(environ, "issuer-unreachable", ProviderError)


def test_slow_jwks(
    issuer: Issuer, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuers, "MAX_SECONDS", 0.3)
    issuer.delay = 1.0
    refused(environ, "issuer-unreachable", ProviderError)


def test_keys_are_fetched_once_and_anew_after_a_rotation(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    environ["INPUT_OVERWRITE"] = "true"
    signed(environ)
    signed(environ)
    assert issuer.fetched == 1
    issuer.rotate()
    signed(environ)
    assert issuer.fetched == 2


def test_the_policy_is_pinned_or_protected(issuer: Issuer, environ: dict[str, str]) -> None:
    refused({**environ, "INPUT_SIGNING-POLICY-SHA256": "0" * 64}, "policy-not-pinned-one")
    del environ["INPUT_SIGNING-POLICY-SHA256"]
    refused(environ, "policy-not-protected")  # its own issuer cannot vouch for it


def test_an_unpinned_policy_needs_a_protected_ref(
    issuer: Issuer, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signer.gate.decide.GITHUB_ISSUER", issuer.url)
    del environ["INPUT_SIGNING-POLICY-SHA256"]
    for unprotected in ("false", None):
        issuer.claims["ref_protected"] = unprotected
        refused(environ, "policy-not-protected")
    issuer.claims["ref_protected"] = "true"
    signed(environ)


def test_limits_of_what_is_signed(environ: dict[str, str]) -> None:
    refused({**environ, "INPUT_PLAIN-SIGNATURE": "true"}, "not-allowed")
    refused({**environ, "INPUT_KMS-KEY": "alias/other"}, "not-allowed")
    Path(environ["INPUT_AUDIT-FILE"]).write_bytes(EVENTS * 100)
    refused(environ, "not-allowed")


@pytest.mark.parametrize(
    ("claims", "head"),
    [
        ({"event_name": "pull_request"}, "999"),
        ({"event_name": "pull_request"}, None),
        ({"runner_environment": "self-hosted", "repository_visibility": "public"}, "123"),
    ],
)
def test_dangerous_runs(
    issuer: Issuer,
    environ: dict[str, str],
    tmp_path: Path,
    claims: dict[str, str],
    head: str | None,
) -> None:
    issuer.claims |= claims
    event = {"pull_request": {"head": {"repo": {"id": int(head)} if head else None}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    refused({**environ, "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}, "dangerous-run")


@pytest.mark.parametrize(("head", "actor", "skips"), [
    (999, "eve", True), (123, "dependabot[bot]", True), (123, "eve", False),
])  # fmt: skip
def test_only_runs_without_secrets_are_skipped(
    environ: dict[str, str], tmp_path: Path, head: int, actor: str, skips: bool
) -> None:
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    event = {"pull_request": {"head": {"repo": {"id": head}}}}
    (tmp_path / "event.json").write_text(json.dumps(event))
    environ |= {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REPOSITORY_ID": "123",
        "GITHUB_ACTOR": actor,
        "INPUT_IF-UNAUTHORIZED": "skip",
    }
    if skips:
        assert act(environ, RecordedLog(), container=False) == 0
        assert "skipped" in (tmp_path / "output").read_text()
        assert not (tmp_path / "audit.jsonl.sigstore.json").exists()
        refused({**environ, "INPUT_IF-UNAUTHORIZED": "error"}, "identity-missing")
    else:
        refused(environ, "identity-missing")


def test_verified_years_later(environ: dict[str, str], issuer: Issuer, tmp_path: Path) -> None:
    signed(environ)
    policy = POLICY.format(issuer=issuer.url)
    assert verified(tmp_path, issuer, policy)["identity"] == "proved"
    own = policy.replace("name: main of payments", "name: the auditor's own")
    assert verified(tmp_path, issuer, own)["signing-policy-rule"] == "the auditor's own"
    other = policy.replace("acme/payments", "acme/other").replace('"123"', '"9"')
    assert verified(tmp_path, issuer, other)["reason"] == "not-allowed-by-policy"
    evidence = tmp_path / "audit.jsonl.identity.jwt"
    digest = hashlib.sha256(EVENTS).hexdigest()
    evidence.write_text(issuer.token(f"policy-audit:sha256:{digest}", run_id="43"))
    assert verified(tmp_path, issuer, policy)["reason"] == "identity-not-proved"
    evidence.write_text(issuer.token(f"policy-audit:sha256:{digest}", jti="another"))
    assert verified(tmp_path, issuer, policy)["reason"] == "identity-not-proved"
    evidence.unlink()
    assert verified(tmp_path, issuer, policy)["reason"] == "identity-not-proved"


def test_what_no_token_proves_is_not_stated_as_if_it_did(
    environ: dict[str, str], issuer: Issuer, tmp_path: Path
) -> None:
    environ |= {"GITHUB_ACTOR": "somebody", "GITHUB_JOB": "release"}
    stated = signed(environ)
    assert "actor" not in stated["run"]
    assert stated["run"]["job"] == "release"
    policy = POLICY.format(issuer=issuer.url)
    assert verified(tmp_path, issuer, policy)["identity"] == "proved"
    for name in ("job=release", "server_url=https://github.com"):
        with pytest.raises(UsageError, match="no token proves"):
            verified(tmp_path, issuer, policy, expect=name)
    assert verified(tmp_path, issuer, policy, expect="run_id=42")["identity"] == "proved"


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("run", "actor", "somebody"),
        ("run", "runId", "43"),
        ("identity", "issuer", "https://issuer.example"),
        ("identity", "tokenSha256", "0" * 64),
    ],
)
def test_a_statement_that_says_more_than_its_token_is_not_proved(
    environ: dict[str, str],
    issuer: Issuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    name: str,
    value: str,
) -> None:
    encode = Statement.encode

    def forged(statement: Statement) -> bytes:
        said = json.loads(encode(statement))
        said["predicate"][part][name] = value
        return json.dumps(said).encode()

    monkeypatch.setattr(Statement, "encode", forged)
    signed(environ)
    answer = verified(tmp_path, issuer, POLICY.format(issuer=issuer.url))
    assert (answer["verified"], answer["reason"]) == (False, "identity-not-proved")
