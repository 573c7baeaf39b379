"""Verifying with trusted keys: rotation, windows, revocations, and labels that lie."""

import hashlib
import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.audit.statement import format_time
from signer.github.paths import JobPaths
from signer.providers import Provider
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import VerifySettings
from signer.verify import job
from tests.unit.support import (
    EVENTS,
    Keys,
    RecordedLog,
    hmac_provider,
    message_bundle,
    payload_of,
    pem_of,
    sha256_provider,
    sign_one,
    signed_statement,
    trusted_keys,
)

Ask = Callable[..., list[dict[str, Any]]]
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def log() -> RecordedLog:
    return RecordedLog()


@pytest.fixture
def ask(tmp_path: Path, log: RecordedLog) -> Ask:
    """Verify files of the test's folder with trusted keys; gives the results."""

    def check(*keys: dict[str, Any], audits: str = "audit.jsonl", **said: str) -> Any:
        path = tmp_path / "auditor" / "trusted.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(trusted_keys(*keys))
        given = {
            "audit-file": "\n".join(str(tmp_path / name) for name in audits.split()),
            "trusted-keys": str(path),
            **said,
        }
        settings = load(VerifySettings, {n: Given(n, v) for n, v in given.items()}, {})
        return job.check(settings, {}, log, JobPaths({}, container=False)).results

    return check


def entry(provider: Provider, name: str = "one", **more: Any) -> dict[str, Any]:
    return {"name": name, "public_key": pem_of(provider), **more}


def at_time(audit: Path, key: Provider, moment: datetime | str, **signing: Any) -> None:
    """Sign, as who holds the key can: with any time."""
    target = audit.with_name(f"{audit.name}.sigstore.json")
    statement = payload_of(sign_one(audit, key, overwrite=True).targets.signed_audit.read_bytes())
    text = moment if isinstance(moment, str) else format_time(moment)
    statement["predicate"]["signing"] |= {"time": text, **signing}
    target.write_bytes(signed_statement(statement, key))


def relabel(audit: Path, keyid: str | None, hint: str | None) -> None:
    target = audit.with_name(f"{audit.name}.sigstore.json")
    fields = json.loads(target.read_bytes())
    fields["dsseEnvelope"]["signatures"][0]["keyid"] = keyid or ""
    fields["verificationMaterial"] = {"publicKey": {"hint": hint}} if hint else {"certificate": {}}
    target.write_text(json.dumps(fields))


def test_rotation_each_audit_with_the_key_of_its_time(keys: Keys, audit: Path, ask: Ask) -> None:
    """Two keys of different kinds in one file, three audits in one call."""
    old, new = keys.open(), keys.open("RSA_3072", "RSASSA_PSS_SHA_256")
    turn = NOW - 30 * DAY
    for name, provider, moment in (
        ("a.jsonl", old, turn - DAY),
        ("b.jsonl", new, turn + DAY),
        ("c.jsonl", old, turn + DAY),
    ):
        path = audit.with_name(name)
        path.write_bytes(EVENTS)
        at_time(path, provider, moment)
    results = ask(
        entry(old, "2025", not_after=format_time(turn)),
        entry(new, "2026", not_before=format_time(turn), algorithm="PS256"),
        audits="a.jsonl b.jsonl c.jsonl",
    )
    assert [one["reason"] for one in results] == ["verified", "verified", "key-not-valid-then"]
    assert [one.get("trusted-key") for one in results] == ["2025", "2026", None]
    assert results[0]["message"].endswith("is what was signed, by the trusted key '2025'")
    assert "'2025' is valid to " in results[2]["message"]


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2024-12-31T23:59:59Z", "key-not-valid-then"),
        ("2025-01-01T00:00:00Z", "verified"),
        ("2025-06-01T00:00:00Z", "verified"),
        ("2025-12-31T23:59:59Z", "verified"),
        ("2026-01-01T00:00:00Z", "key-not-valid-then"),
        ("2025-02-30T00:00:00Z", "malformed-statement"),
    ],
)
def test_the_edges_of_a_window(keys: Keys, audit: Path, ask: Ask, time: str, reason: str) -> None:
    at_time(audit, keys.open(), time)
    window = {"not_before": "2025-01-01T00:00:00Z", "not_after": "2025-12-31T23:59:59Z"}
    assert ask(entry(keys.open(), **window))[0]["reason"] == reason
    if time > "2026":
        assert ask(entry(keys.open(), not_before=window["not_before"]))[0]["verified"]
        [result] = ask(entry(keys.open(), not_after=window["not_after"]))
        assert result["reason"] == "key-not-valid-then"


@pytest.mark.parametrize("age", [-400, -1, 1, 4000])
def test_a_revoked_key_proves_nothing_however_old_the_statement_says_it_is(
    keys: Keys, audit: Path, ask: Ask, age: int
) -> None:
    revoked_at = NOW - 2 * DAY
    at_time(audit, keys.open(), min(revoked_at - age * DAY, NOW))
    revoked = {"at": format_time(revoked_at), "reason": "laptop lost"}
    [result] = ask(entry(keys.open(), revoked=revoked), expect="repository=*")
    assert (result["verified"], result["reason"]) == (False, "key-revoked")
    assert "laptop lost" in result["message"]


def test_labels_choose_a_key_and_never_make_one_valid(keys: Keys, audit: Path, ask: Ask) -> None:
    one, two, stranger = keys.open(), keys.open("two"), keys.open("other")
    trusted = (entry(one, "one"), entry(two, "two"))
    a, b = one.public_key, two.public_key
    assert a is not None
    assert b is not None

    def reason(provider: Provider, keyid: str | None, hint: str | None) -> str:
        at_time(audit, provider, NOW)
        relabel(audit, keyid, hint)
        return str(ask(*trusted)[0]["reason"])

    assert reason(one, a.fingerprint, a.hint) == "verified"
    assert reason(one, None, a.hint) == "verified"
    assert reason(one, a.fingerprint, None) == "verified"
    assert reason(one, a.fingerprint, b.hint) == "verified"  # the signature decided
    assert reason(two, a.fingerprint, a.hint) == "altered-statement"
    assert reason(two, a.fingerprint, b.hint) == "altered-statement"
    assert reason(stranger, a.fingerprint, a.hint) == "altered-statement"
    assert reason(one, None, None) == "wrong-key"
    assert stranger.public_key is not None
    labels = stranger.public_key.fingerprint, stranger.public_key.hint
    assert reason(stranger, *labels) == "wrong-key"
    assert reason(one, *labels) == "wrong-key"


def test_a_revoked_key_cannot_hide_behind_another_ones_label(
    keys: Keys, audit: Path, ask: Ask
) -> None:
    good, bad = keys.open(), keys.open("two")
    at_time(audit, bad, NOW)
    revoked = entry(bad, "bad", revoked={"at": format_time(NOW + DAY), "reason": "x"})
    assert ask(entry(good, "good"), revoked)[0]["reason"] == "key-revoked"
    assert good.public_key is not None
    relabel(audit, good.public_key.fingerprint, good.public_key.hint)
    assert ask(entry(good, "good"), revoked)[0]["reason"] == "altered-statement"


def test_the_statement_of_another_key_of_the_file_is_inconsistent(
    keys: Keys, audit: Path, ask: Ask
) -> None:
    one, two = keys.open(), keys.open("two")
    assert two.public_key is not None
    at_time(audit, one, NOW, keyFingerprint=two.public_key.fingerprint)
    assert ask(entry(one), entry(two, "two"))[0]["reason"] == "inconsistent-statement"


@pytest.mark.parametrize(
    ("signed_with", "algorithm", "reason"),
    [
        ("RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_256", "verified"),
        ("RSASSA_PSS_SHA_256", None, "altered-statement"),
        ("RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_512", "altered-statement"),
        ("RSASSA_PKCS1_V1_5_SHA_256", None, "verified"),
        ("RSASSA_PKCS1_V1_5_SHA_256", "PS256", "altered-statement"),
    ],
)
def test_for_rsa_the_trusted_key_decides_on_the_algorithm(
    keys: Keys, audit: Path, ask: Ask, signed_with: str, algorithm: str | None, reason: str
) -> None:
    provider = keys.open("RSA_3072", signed_with)
    at_time(audit, provider, NOW)
    more = {"algorithm": algorithm} if algorithm else {}
    assert ask(entry(provider, **more))[0]["reason"] == reason


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("ECC_NIST_P384", "ECDSA_SHA_384"),
        ("ECC_SECG_P256K1", "ES256K"),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
        ("ML_DSA_65", "ML_DSA_SHAKE_256"),
    ],
)
def test_keys_of_other_kinds(keys: Keys, audit: Path, ask: Ask, spec: str, algorithm: str) -> None:
    provider = keys.open(spec, algorithm)
    at_time(audit, provider, NOW)
    others = [entry(keys.open(), "p256"), entry(keys.open("RSA_3072", "PS256"), "rsa")]
    [result] = ask(*others, entry(provider, spec))
    assert (result["reason"], result["trusted-key"]) == ("verified", spec)
    assert ask(*others)[0]["reason"] == "wrong-key"


MANAGED = {"assurance": "managed-key", "provider": "aws_kms_sdk", "simulation": None}


@pytest.mark.parametrize(
    ("claimed", "known", "reason"),
    [
        ({}, None, "verified"),
        ({}, "software-key", "verified"),
        ({}, "managed-key", "verified"),
        (MANAGED, None, "verified"),
        (MANAGED, "managed-key", "verified"),
        (MANAGED, "software-key", "inconsistent-statement"),
    ],
)
def test_a_statement_claims_no_more_than_the_auditor_knows(
    keys: Keys, audit: Path, ask: Ask, claimed: dict[str, Any], known: str | None, reason: str
) -> None:
    at_time(audit, keys.open(), NOW, **claimed)
    more = {"assurance": known} if known else {}
    [result] = ask(entry(keys.open(), **more))
    assert result["reason"] == reason
    if known == "managed-key" and not claimed:  # the auditor's word does not raise it
        [result] = ask(entry(keys.open(), **more), **{"minimum-assurance": "managed-key"})
        assert result["reason"] == "below-minimum-assurance"


@pytest.mark.parametrize("provider", [hmac_provider(), sha256_provider()])
def test_only_signatures_of_key_pairs_are_taken(
    keys: Keys, audit: Path, ask: Ask, provider: Provider
) -> None:
    sign_one(audit, provider)
    assert ask(entry(keys.open()))[0]["reason"] == "wrong-key"
    public = keys.open().public_key
    assert public is not None
    relabel(audit, public.fingerprint, public.hint)
    assert ask(entry(keys.open()))[0]["reason"] == "altered-statement"


OTHERS: dict[str, Callable[[Provider], bytes]] = {
    "message-signature": lambda provider: message_bundle(EVENTS, provider),
    "attestation": lambda provider: signed_statement(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "x", "digest": {"sha256": hashlib.sha256(EVENTS).hexdigest()}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        },
        provider,
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_bundles_that_state_no_time_need_a_key_without_limits(
    keys: Keys, audit: Path, ask: Ask, kind: str
) -> None:
    provider = keys.open()
    audit.with_name("audit.jsonl.sigstore.json").write_bytes(OTHERS[kind](provider))
    [result] = ask(entry(provider), type="any")
    assert (result["verified"], result["kind"], result["trusted-key"]) == (True, kind, "one")
    always = {"not_before": "2000-01-01T00:00:00Z"}
    [result] = ask(entry(provider, **always), type="any")
    assert result["reason"] == "key-not-valid-then"
    assert f"this {kind} states no time" in result["message"]
    never = {"at": "2900-01-01T00:00:00Z", "reason": "x"}
    assert ask(entry(provider, revoked=never), type="any")[0]["reason"] == "key-revoked"
    assert not ask(entry(provider))[0]["verified"]


def test_what_is_no_bundle_is_told_as_ever(keys: Keys, audit: Path, ask: Ask) -> None:
    assert ask(entry(keys.open()))[0]["reason"] == "bundle-not-found"
    audit.with_name("audit.jsonl.sigstore.json").write_bytes(b"{")
    assert ask(entry(keys.open()))[0]["reason"] == "malformed-json"


def test_it_needs_no_network(
    keys: Keys, audit: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_time(audit, keys.open(), NOW)

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert ask(entry(keys.open(), not_before="2000-01-01T00:00:00Z"))[0]["verified"]
