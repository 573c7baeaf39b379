"""Trusted keys beside the issuer's tokens: what survives a revocation, and what a thief can do."""

import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.action import act
from signer.audit.statement import format_time
from signer.cli import parser
from signer.errors import SettingsError, UsageError
from signer.github.paths import JobPaths
from signer.providers import kms
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import VerifySettings
from signer.verify import job
from tests.integration.gate.support import POLICY, signed
from tests.issuer import Issuer
from tests.unit import runner
from tests.unit.support import (
    EVENTS,
    RecordedLog,
    message_bundle,
    payload_of,
    signed_statement,
    trusted_keys,
)

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
OWN = "repository=acme/payments"
Ask = Callable[..., dict[str, Any]]


class Job:
    """A run that signed with a token; a thief of its key; an auditor."""

    def __init__(self, environ: dict[str, str], issuer: Issuer, folder: Path) -> None:
        self.environ, self.issuer, self.folder = environ, issuer, folder
        self.log = RecordedLog()
        self.bundle = folder / "audit.jsonl.sigstore.json"
        self.token = folder / "audit.jsonl.identity.jwt"

    @property
    def issued(self) -> datetime:
        """When the issuer made the token that is beside the signed audit."""
        import jwt

        claims = jwt.decode(self.token.read_text(), options={"verify_signature": False})
        return datetime.fromtimestamp(claims["iat"], UTC)

    def steal(self, time: datetime, **parts: Any) -> None:
        """Sign the statement anew, with another time, as who has the key can.

        Args:
            time: what it says of the time of signing.
            parts: other fields of parts of the predicate.
        """
        statement = payload_of(self.bundle.read_bytes())
        statement["predicate"]["signing"]["time"] = format_time(time)
        for part, fields in parts.items():
            statement["predicate"][part] = fields
        key = kms.open_key("alias/policy-audit", self.folder / "kms")
        self.bundle.write_bytes(signed_statement(statement, key))

    def with_token(self, **times: int) -> None:
        """Have a token of other times, and a statement that names it."""
        digest = hashlib.sha256(EVENTS).hexdigest()
        token = self.issuer.token(f"policy-audit:sha256:{digest}", **times)
        self.token.write_text(token)
        identity = payload_of(self.bundle.read_bytes())["predicate"]["identity"]
        identity["tokenSha256"] = hashlib.sha256(token.encode()).hexdigest()
        self.steal(datetime.fromtimestamp(times["iat"], UTC), identity=identity)

    def file(self, *, issuers: bool = True, **limits: Any) -> Path:
        """The auditor's file of trusted keys, with the key of the run."""
        pem = (self.folder / "audit.jsonl.pub").read_text()
        path = self.folder / "auditor" / "trusted.yml"
        path.parent.mkdir(exist_ok=True)
        more = {"issuers": [snapshot(self.issuer)]} if issuers else {}
        path.write_text(trusted_keys({"name": "one", "public_key": pem, **limits}, **more))
        return path

    def ask(
        self, path: Path, *, environ: Mapping[str, str] | None = None, **said: str
    ) -> dict[str, Any]:
        """What verifying answers."""
        given = {
            "audit-file": str(self.folder / "audit.jsonl"),
            "trusted-keys": str(path),
            **{name.replace("_", "-"): value for name, value in said.items()},
        }
        outright = {n: Given(n, v) for n, v in given.items()}
        settings = load(VerifySettings, outright, environ or {})
        return job.check(settings, {}, self.log, JobPaths({}, container=False)).results[0]


def snapshot(source: Issuer, **more: Any) -> dict[str, Any]:
    """What ``signer keys snapshot-issuer`` prints."""
    keys = [{**source.jwk(), "x5c": ["MIIB"], "key_ops": ["verify"], "ext": True}]
    return {"issuer": source.url, "retrieved": "2026-01-01T00:00:00Z", "keys": keys, **more}


def revoked(at: datetime) -> dict[str, str]:
    return {"at": format_time(at), "reason": "laptop lost"}


@pytest.fixture
def run(environ: dict[str, str], issuer: Issuer, tmp_path: Path) -> Job:
    """A run that signed just now."""
    signed(environ)
    return Job(environ, issuer, tmp_path)


def test_issuers_in_the_file_prove_the_identity_offline(
    run: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    result = run.ask(run.file())
    assert (result["reason"], result["identity"]) == ("verified", "proved")
    assert run.ask(run.file(issuers=False))["identity"] == "claimed"
    own = run.folder / "auditor.yml"
    own.write_text(POLICY.format(issuer=run.issuer.url))
    result = run.ask(run.file(), signing_policy=str(own))
    assert result["signing-policy-rule"] == "main of payments"
    run.token.unlink()
    assert run.ask(run.file(issuers=False))["reason"] == "verified"
    assert run.ask(run.file())["reason"] == "identity-not-proved"


def test_several_snapshots_of_one_issuer_count_together(run: Job) -> None:
    before = snapshot(run.issuer)
    run.issuer.rotate()
    after = snapshot(run.issuer)
    path = run.file()
    document = json.loads(path.read_text())
    for snapshots, reason in (
        ([after], "identity-not-proved"),
        ([after, before], "verified"),
        ([before, {**after, "keys": [*after["keys"], *before["keys"]]}], "verified"),
    ):
        path.write_text(json.dumps({**document, "issuers": snapshots}))
        assert run.ask(path)["reason"] == reason
    stranger = {**before, "keys": [{**after["keys"][0], "kid": before["keys"][0]["kid"]}]}
    path.write_text(json.dumps({**document, "issuers": [before, stranger]}))
    with pytest.raises(UsageError, match=r"issuers\.2 .*another key called") as caught:
        run.ask(path)
    assert caught.value.code == "trusted-keys-invalid"
    # Names and ids of repositories are each issuer's own: one must not prove the other's.
    path.write_text(
        json.dumps({**document, "issuers": [after, {**before, "issuer": "https://ghes.example"}]})
    )
    with pytest.raises(UsageError, match=r"issuers\.2 .*make a file for each"):
        run.ask(path)


def test_the_issuers_of_a_file_are_listed(run: Job, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["keys", "check", str(run.file())]
    for more in ([], ["--json"]):
        parsed = parser().parse_args([*arguments, *more])
        assert parsed.run(parsed, {}, run.log) == 0
        shown = capsys.readouterr().out
        if more:
            listed = {"issuer": run.issuer.url, "keys": [run.issuer.kid]}
            assert json.loads(shown)["issuer"] == listed
        else:
            assert f"issuer {run.issuer.url}: {run.issuer.kid}" in shown


@pytest.mark.parametrize(
    "keys",
    [
        [{"kty": "EC"}],
        [{}],
        [{"kty": "RSA", "kid": "a", "n": "!", "e": "AQAB"}],
        [{"kty": "RSA", "kid": "a", "n": ["x"], "e": "AQAB"}],
    ],
)
def test_an_issuer_s_keys_that_cannot_be_used_are_named(
    run: Job, keys: list[dict[str, Any]]
) -> None:
    path = run.file()
    document = json.loads(path.read_text())
    document["issuers"] = [snapshot(run.issuer, keys=keys)]
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"issuers\.1 ") as caught:
        run.ask(path)
    assert caught.value.code == "trusted-keys-invalid"


def test_one_issuer_has_its_keys_from_one_place(run: Job, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(snapshot(run.issuer)))
    assert run.ask(run.file(issuers=False), issuer_keys=str(keys))["identity"] == "proved"
    with pytest.raises(UsageError, match="both have keys of"):
        run.ask(run.file(), issuer_keys=str(keys))
    keys.write_text(json.dumps(snapshot(run.issuer, issuer="https://issuer.example")))
    with pytest.raises(UsageError, match="both have keys of"):
        run.ask(run.file(), issuer_keys=str(keys))
    own = tmp_path / "auditor.yml"
    own.write_text(POLICY.format(issuer="https://other.example"))
    with pytest.raises(UsageError, match="the signing policy trusts"):
        run.ask(run.file(), signing_policy=str(own))
    own.write_text(POLICY.format(issuer="https://issuer.example"))
    result = run.ask(run.file(issuers=False), issuer_keys=str(keys), signing_policy=str(own))
    assert result["reason"] == "identity-not-proved"  # the token is another issuer's


def test_no_variable_saves_a_revoked_key(run: Job) -> None:
    path = run.file(revoked=revoked(NOW + HOUR))
    own = run.folder / "auditor.yml"
    own.write_text(POLICY.format(issuer=run.issuer.url))
    for name, value in (("POLICY_EXPECT", OWN), ("POLICY_SIGNING_POLICY", str(own))):
        assert run.ask(path, environ={name: value})["reason"] == "key-revoked"
    assert run.ask(path, expect=OWN)["reason"] == "verified"


def test_no_variable_adds_to_what_is_trusted(run: Job) -> None:
    keys = run.folder / "keys.json"
    keys.write_text(json.dumps(snapshot(run.issuer)))
    for name, value in (("POLICY_ISSUER_KEYS", str(keys)), ("POLICY_TYPE", "any")):
        with pytest.raises(SettingsError, match="in the environment only"):
            run.ask(run.file(issuers=False), environ={name: value})
    assert run.ask(run.file(issuers=False), environ={"POLICY_TYPE": "policy-audit"})["verified"]


def test_demands_that_no_token_meets_are_refused(run: Job) -> None:
    with pytest.raises(UsageError, match="no token proves"):
        run.ask(run.file(), expect="job=x")
    own = run.folder / "auditor.yml"
    own.write_text(POLICY.format(issuer=run.issuer.url))
    with pytest.raises(UsageError, match="proved identity"):
        run.ask(run.file(issuers=False), signing_policy=str(own))


def test_with_type_any_a_signed_audit_is_proved_as_ever(run: Job) -> None:
    assert run.ask(run.file(), type="any")["identity"] == "proved"
    run.token.unlink()
    assert run.ask(run.file(), type="any")["reason"] == "identity-not-proved"
    key = kms.open_key("alias/policy-audit", run.folder / "kms")
    run.bundle.write_bytes(message_bundle(EVENTS, key))
    result = run.ask(run.file(), type="any")
    assert (result["kind"], "identity" in result) == ("message-signature", False)


# A key that is revoked an hour after the run signed.


def test_what_the_token_proves_to_be_older_survives_a_revocation(run: Job) -> None:
    path = run.file(revoked=revoked(NOW + HOUR))
    result = run.ask(path, expect=OWN)
    assert (result["reason"], result["identity"]) == ("verified", "proved")
    [warning] = run.log.warnings
    assert "'one', which is revoked" in warning
    own = run.folder / "auditor.yml"
    own.write_text(POLICY.format(issuer=run.issuer.url))
    assert run.ask(path, signing_policy=str(own))["reason"] == "verified"
    keys = run.folder / "keys.json"
    keys.write_text(json.dumps(snapshot(run.issuer)))
    path = run.file(issuers=False, revoked=revoked(NOW + HOUR))
    assert run.ask(path, expect=OWN, issuer_keys=str(keys))["reason"] == "verified"
    # A policy that takes the word of the key's holder does not save it.
    text = POLICY.replace("issuer: {issuer}", "identity: environment")
    own.write_text(text.replace("{{", "{").replace("}}", "}"))
    assert run.ask(path, signing_policy=str(own))["reason"] == "key-revoked"
    assert run.ask(run.file(issuers=False), signing_policy=str(own))["reason"] == "verified"


@pytest.mark.parametrize("expect", [None, "repository=*", "sha=" + "a" * 40])
def test_anybody_s_run_saves_no_signature_of_a_revoked_key(run: Job, expect: str | None) -> None:
    """A thief can have had tokens for runs of his own before the key was revoked."""
    path = run.file(revoked=revoked(NOW + HOUR))
    result = run.ask(path, expect=expect) if expect else run.ask(path)
    assert result["reason"] == "key-revoked"
    assert "which repository" in result["message"]


def test_another_repository_s_token_is_another_run(run: Job) -> None:
    run.issuer.claims |= {"repository": "eve/x", "repository_id": "9"}
    statement = payload_of(run.bundle.read_bytes())["predicate"]
    run.with_token(iat=int(NOW.timestamp()), nbf=int(NOW.timestamp()), exp=2**31)
    path = run.file(revoked=revoked(NOW + HOUR))
    assert run.ask(path, expect=OWN)["reason"] == "key-revoked"  # the token is not of this run
    theirs = {"repository": "eve/x", "repositoryId": "9"}
    identity = payload_of(run.bundle.read_bytes())["predicate"]["identity"]
    identity["claims"] |= {"repository": "eve/x", "repository_id": "9"}
    run.steal(NOW, run={**statement["run"], **theirs}, identity=identity)
    assert run.ask(path, expect="repository=eve/x")["reason"] == "verified"
    assert run.ask(path, expect=OWN)["reason"] == "unexpected-run"


def test_a_backdated_forgery_without_a_token_is_refused(run: Job) -> None:
    run.token.unlink()
    run.steal(NOW - 1000 * HOUR)
    for issuers in (True, False):
        path = run.file(issuers=issuers, revoked=revoked(NOW - HOUR))
        assert run.ask(path, expect=OWN)["reason"] == "key-revoked"
    assert run.ask(run.file(issuers=False))["reason"] == "verified"  # were it not revoked


@pytest.mark.parametrize("said", [-1000, -2, 0])
def test_a_backdated_forgery_with_a_token_of_afterwards_is_refused(run: Job, said: int) -> None:
    run.steal(NOW + said * HOUR)
    path = run.file(revoked=revoked(NOW - HOUR))
    assert run.ask(path, expect=OWN)["reason"] == "key-revoked"


def test_a_token_that_holds_for_long_is_as_old_as_its_issue(run: Job) -> None:
    """Its time of issue decides, whatever times the token allows the statement to have."""
    at = NOW - HOUR
    long = {"nbf": int((NOW - 9 * HOUR).timestamp()), "exp": int((NOW + HOUR).timestamp())}
    path = run.file(revoked=revoked(at))
    for iat, reason in ((NOW, "key-revoked"), (at, "key-revoked")):
        run.with_token(iat=int(iat.timestamp()), **long)
        run.steal(NOW - 8 * HOUR)
        assert run.ask(path, expect=OWN)["reason"] == reason
    run.with_token(iat=int(at.timestamp()) - 1, **long)
    run.steal(NOW - 8 * HOUR)
    assert run.ask(path, expect=OWN)["reason"] == "verified"
    moment = int(at.timestamp())  # a clock's leeway makes the token no older than it is
    run.with_token(iat=moment - 1, nbf=moment + 10, exp=2**31)
    assert run.ask(path, expect=OWN)["reason"] == "key-revoked"
    run.with_token(iat=moment - 1, **long)
    run.steal(at)  # the statement itself says that it is not older
    assert run.ask(path, expect=OWN)["reason"] == "key-revoked"


def test_the_token_s_time_must_lie_in_the_window_too(run: Job) -> None:
    long = {"nbf": int((NOW - 9 * HOUR).timestamp()), "exp": int((NOW + HOUR).timestamp())}
    run.with_token(iat=int(NOW.timestamp()), **long)
    run.steal(NOW - 8 * HOUR)
    window: dict[str, Any] = {"not_after": format_time(NOW - 2 * HOUR)}
    result = run.ask(run.file(**window))
    assert result["reason"] == "key-not-valid-then"
    assert "token was issued" in result["message"]
    assert run.ask(run.file(issuers=False, **window))["reason"] == "verified"
    run.with_token(iat=int((NOW - 3 * HOUR).timestamp()), **long)
    assert run.ask(run.file(**window))["reason"] == "verified"


# The age of the key, by the auditor's own date.


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"not_before": format_time(NOW - 24 * HOUR)}, None),
        ({"not_before": format_time(NOW - 24 * 40 * HOUR)}, "not-allowed-by-policy"),
        ({}, "not-allowed-by-policy"),
    ],
)
@pytest.mark.parametrize("stated", [None, format_time(NOW - 24 * 50 * HOUR)])
def test_of_the_auditors_date_of_the_key_and_the_statements_the_earlier_counts(
    run: Job, made: dict[str, Any], reason: str | None, stated: str | None
) -> None:
    own = run.folder / "auditor.yml"
    policy = POLICY.format(issuer=run.issuer.url)
    own.write_text(policy.replace("max_audit_file: 1KB", "max_key_age: 30d"))
    signing = payload_of(run.bundle.read_bytes())["predicate"]["signing"]
    run.steal(run.issued, signing={**signing, "keyCreated": stated})
    result = run.ask(run.file(**made), signing_policy=str(own))
    assert result["reason"] == (reason or ("not-allowed-by-policy" if stated else "verified"))


def test_a_young_date_in_the_statement_does_not_make_an_old_key_young(run: Job) -> None:
    own = run.folder / "auditor.yml"
    policy = POLICY.format(issuer=run.issuer.url)
    own.write_text(policy.replace("max_audit_file: 1KB", "max_key_age: 30d"))
    signing = payload_of(run.bundle.read_bytes())["predicate"]["signing"]
    lie = {**signing, "keyCreated": format_time(NOW - HOUR)}
    run.steal(run.issued, signing=lie)
    old: dict[str, Any] = {"not_before": format_time(NOW - 24 * 40 * HOUR)}
    assert run.ask(run.file(), signing_policy=str(own))["reason"] == "verified"
    result = run.ask(run.file(**old), signing_policy=str(own))
    assert result["reason"] == "not-allowed-by-policy"
    run.steal(run.issued, signing={**signing, "keyCreated": "2020-13-45T00:00:00Z"})
    result = run.ask(run.file(**old), signing_policy=str(own))
    assert result["reason"] == "malformed-statement"


def test_the_action_takes_them_and_asks_for_its_own_repository(run: Job) -> None:
    environ = {
        **run.environ,
        "INPUT_MODE": "verify",
        "INPUT_PROVIDER": "",
        "INPUT_SIGNING-POLICY": "",
        "INPUT_SIGNING-POLICY-SHA256": "",
        "INPUT_TRUSTED-KEYS": str(run.file(revoked=revoked(NOW + HOUR))),
        "GITHUB_REPOSITORY": "acme/payments",
    }
    output = run.folder / "verified"
    for repository, code, reason in (("123", 0, "verified"), ("9", 1, "unexpected-run")):
        output.write_text("")
        job = {**environ, "GITHUB_REPOSITORY_ID": repository, "GITHUB_OUTPUT": str(output)}
        assert act(job, run.log, container=False) == code
        outputs = runner.outputs(output.read_text())
        assert outputs["reason"] == reason
        assert outputs.get("trusted-key") == ("one" if code == 0 else None)
