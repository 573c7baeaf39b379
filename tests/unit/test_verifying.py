"""Sign, tamper, verify: each way to fail has its own reason."""

import hashlib
import json
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.assurance import Assurance
from signer.audit.statement import Run, format_time
from signer.crypto.verifier import Verifier
from signer.errors import AuditFileError, SignerError, VerificationError
from signer.providers import Provider
from signer.verify.verdict import Demands, Verified
from signer.verify.verifying import verify
from tests.unit.support import (
    EVENTS,
    SECRET,
    Keys,
    at,
    hmac_provider,
    message_bundle,
    payload_of,
    sha256_provider,
    sign_one,
    signed_statement,
)

ANY = Demands(any_type=True)
ALGORITHMS = {
    "ECC_NIST_P256": ["ECDSA_SHA_256"],
    "ECC_NIST_P384": ["ECDSA_SHA_384"],
    "ECC_NIST_P521": ["ECDSA_SHA_512"],
    "ECC_SECG_P256K1": ["ES256K"],
    "RSA_3072": ["RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_512"],
    "ECC_NIST_EDWARDS25519": ["ED25519_SHA_512"],
    "ML_DSA_65": ["ML_DSA_SHAKE_256"],
}
VARIANTS = [(spec, algorithm) for spec, some in ALGORITHMS.items() for algorithm in some]
RUN = Run(repository="acme/pay", repository_id="7", sha="abc", run_id="1", ref="refs/heads/main")


def reason_of(
    text: bytes,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands = Demands(),  # noqa: B008 - frozen
    **options: Any,
) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, verifier, demands, **options)
    assert caught.value.exit_code == 1
    assert caught.value.fix
    return caught.value.code


def sign(audit: Path, provider: Provider, **settings: Any) -> bytes:
    return sign_one(audit, provider, **settings).targets.signed_audit.read_bytes()


@pytest.mark.parametrize(("spec", "algorithm"), VARIANTS)
def test_what_was_signed_verifies_and_nothing_else(
    keys: Keys, audit: Path, spec: str, algorithm: str
) -> None:
    text = sign(audit, keys.open(spec, algorithm))
    verifier = keys.verifier(spec, algorithm)
    verified = verify(text, audit, verifier, Demands())
    assert verified.kind == "signed-audit"
    assert verified.file_compared
    assert verified.sha256 == hashlib.sha256(EVENTS).digest()
    audit.write_bytes(EVENTS.replace(b"2", b"5"))
    assert reason_of(text, audit, verifier) == "altered-file"


@pytest.mark.parametrize("provider", [hmac_provider(), sha256_provider()])
def test_the_fallbacks_verify_what_they_made(audit: Path, provider: Provider) -> None:
    text = sign(audit, provider)
    assert verify(text, audit, provider, Demands()).kind == "signed-audit"
    audit.write_bytes(EVENTS + b"{}\n")
    assert reason_of(text, audit, provider) == "altered-file"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content + b"\n",
        lambda content: content[:-1],
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.replace(b":1", b": 1"),
        lambda content: b"\n".join(reversed(content.strip().split(b"\n"))) + b"\n",
        lambda content: b"not JSON at all",
        lambda content: content + b'{"cut":',
        lambda content: b"\xff\xfe",
        lambda content: b"",
        lambda content: b"DSSEv1 1 x 1 y",
    ],
)
def test_any_other_file_is_altered(
    keys: Keys, audit: Path, change: Callable[[bytes], bytes]
) -> None:
    text = sign(audit, keys.open())
    audit.write_bytes(change(EVENTS))
    assert reason_of(text, audit, keys.verifier()) == "altered-file"


def test_a_file_that_cannot_be_read_is_an_error_of_the_file(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open())
    pipe = audit.with_name("pipe")
    os.mkfifo(pipe)
    for demands in (Demands(), ANY):
        for path in (audit.with_name("missing"), audit.parent, pipe):
            with pytest.raises(AuditFileError):
                verify(text, path, keys.verifier(), demands)
    for path in (audit.parent, pipe):
        with pytest.raises(AuditFileError):
            verify(message_bundle(EVENTS, keys.open()), path, keys.verifier(), ANY)


def test_a_file_that_changes_while_it_is_read_is_neither_altered_nor_verified(
    keys: Keys, audit: Path
) -> None:
    text = sign(audit, keys.open())

    def touch(_done: int) -> None:
        os.utime(audit, ns=(1, 1))

    with pytest.raises(AuditFileError) as caught:
        verify(text, audit, keys.verifier(), Demands(), progress=touch)
    assert caught.value.code == "audit-file-changed"


def test_an_altered_statement_or_signature(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open())
    fields = json.loads(text)
    statement = payload_of(text)
    statement["predicate"]["auditFile"]["eventCount"] = 2
    forged = json.loads(signed_statement(statement, keys.open("other")))
    fields["dsseEnvelope"]["payload"] = forged["dsseEnvelope"]["payload"]
    assert reason_of(json.dumps(fields).encode(), audit, keys.verifier()) == "altered-statement"
    fields = json.loads(text)
    fields["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    assert reason_of(json.dumps(fields).encode(), audit, keys.verifier()) == "altered-statement"
    fields = json.loads(text)
    fields["dsseEnvelope"]["payloadType"] += "x"
    assert reason_of(json.dumps(fields).encode(), audit, keys.verifier()) == "altered-statement"


def test_the_wrong_key_is_named(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open())
    other = keys.verifier("other")
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, other, Demands())
    assert caught.value.code == "wrong-key"
    assert keys.verifier().public_key.fingerprint in caught.value.message
    assert other.public_key.fingerprint in caught.value.message


def test_labels_that_name_the_trusted_key_do_not_help(keys: Keys, audit: Path) -> None:
    trusted = keys.verifier()
    fields = json.loads(sign(audit, keys.open("other")))
    fields["dsseEnvelope"]["signatures"][0]["keyid"] = trusted.public_key.fingerprint
    fields["verificationMaterial"]["publicKey"]["hint"] = trusted.public_key.hint
    assert reason_of(json.dumps(fields).encode(), audit, trusted) == "altered-statement"


@pytest.mark.parametrize("keyid", ["", "x", "SHA256:" + "A" * 43])
def test_labels_do_not_matter_where_the_signature_is_good(
    keys: Keys, audit: Path, keyid: str
) -> None:
    fields = json.loads(sign(audit, keys.open()))
    fields["dsseEnvelope"]["signatures"][0]["keyid"] = keyid
    fields["verificationMaterial"] = {"certificate": {}}
    assert verify(json.dumps(fields).encode(), audit, keys.verifier(), Demands())


RESIGNED = [
    ("predicate.auditFile.eventCount", 2, "wrong-event-count"),
    ("predicate.auditFile.eventCount", 0, "wrong-event-count"),
    ("predicate.auditFile.eventCount", -1, "malformed-statement"),
    ("predicate.auditFile.eventCount", 3.0, "malformed-statement"),
    ("predicate.auditFile.eventCount", "3", "malformed-statement"),
    ("predicate.auditFile.eventCount", True, "malformed-statement"),
    ("predicate.auditFile.merkleRoot", "0" * 64, "wrong-merkle-root"),
    ("predicate.auditFile.merkleRoot", "0" * 63, "malformed-statement"),
    ("predicate.auditFile.size", len(EVENTS) + 1, "wrong-size"),
    ("predicate.auditFile.size", 10**30, "wrong-size"),
    ("predicate.auditFile.format", "bytes", "wrong-event-count"),
    ("predicate.auditFile.format", "json", "wrong-event-count"),
    ("predicate.auditFile.format", "xml", "malformed-statement"),
    ("predicate.auditFile.eventPointer", "/a", "malformed-statement"),
    ("subject.0.digest.sha256", "0" * 64, "altered-file"),
    ("subject.0.digest.sha256", hashlib.sha256(EVENTS).hexdigest().upper(), "malformed-statement"),
    ("subject.0.digest.sha256", hashlib.sha256(EVENTS).hexdigest() + "\n", "malformed-statement"),
    ("subject.0.digest", {"sha512": "00"}, "malformed-statement"),
    ("subject", [], "wrong-subject"),
    ("subject", {}, "malformed-statement"),
    ("_type", "https://in-toto.io/Statement/v0.1", "malformed-statement"),
    ("predicateType", "https://slsa.dev/provenance/v1", "wrong-predicate-type"),
    ("predicateType", "urn:policy-audit:attestation:v2", "wrong-predicate-type"),
    ("predicateType", "urn:policy-audit:link:v1", "wrong-predicate-type"),
    ("predicateType", None, "wrong-predicate-type"),
    ("predicate", [], "malformed-statement"),
    ("predicate.id", "x", "malformed-statement"),
    ("predicate.signing.keyFingerprint", "SHA256:other", "inconsistent-statement"),
    ("predicate.signing.keyFingerprint", None, "inconsistent-statement"),
    ("predicate.signing.assurance", "digest", "inconsistent-statement"),
    ("predicate.signing.assurance", "shared-secret", "inconsistent-statement"),
    ("predicate.signing.assurance", "total", "malformed-statement"),
    ("predicate.signing.algorithm", "ECDSA_SHA_384", "wrong-algorithm"),
    ("predicate.signing.algorithm", "ES256", "wrong-algorithm"),
    ("predicate.signing.time", "2024-02-30T00:00:00Z", "malformed-statement"),
    ("predicate.signing.time", "2024-02-20T00:00:00+00:00", "malformed-statement"),
    ("predicate.signing.time", "\uff12\uff10\uff12\uff14-02-20T00:00:00Z", "malformed-statement"),
    ("predicate.signing.time", "2024-02-20T00:00:60Z", "malformed-statement"),
    ("predicate.signing.time", "9999-12-31T23:59:59Z", "from-the-future"),
]


@pytest.mark.parametrize(("path", "value", "reason"), RESIGNED)
def test_a_statement_that_the_key_signed_but_that_is_not_true(
    keys: Keys, audit: Path, path: str, value: Any, reason: str
) -> None:
    statement = payload_of(sign(audit, keys.open()))
    parent, name = at(statement, path)
    parent[name] = value
    assert reason_of(signed_statement(statement, keys.open()), audit, keys.verifier()) == reason


@pytest.mark.parametrize(
    "path",
    [
        *("subject", "predicate", "predicate.auditFile", "predicate.signing"),
        *("predicate.signing.time", "predicate.auditFile.merkleRoot"),
    ],
)
def test_a_statement_that_lacks_a_field(keys: Keys, audit: Path, path: str) -> None:
    statement = payload_of(sign(audit, keys.open()))
    parent, name = at(statement, path)
    del parent[name]
    text = signed_statement(statement, keys.open())
    assert reason_of(text, audit, keys.verifier()) == "malformed-statement"


def test_two_subjects_are_one_too_many(keys: Keys, audit: Path) -> None:
    statement = payload_of(sign(audit, keys.open()))
    statement["subject"] *= 2
    text = signed_statement(statement, keys.open())
    assert reason_of(text, audit, keys.verifier()) == "wrong-subject"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed-base64"),
        (b"[]", "malformed-statement"),
        (b"{}", "wrong-predicate-type"),
        (b"{} {}", "trailing-data"),
        (b"\xff", "malformed-json"),
        (b'{"a":' * 5000, "malformed-json"),
        (b'{"predicateType":"a","predicateType":"urn:policy-audit:attestation:v1"}',
         "duplicate-field"),
        (b'{"x":{"a":1,"a":2}}', "duplicate-field"),
    ],
)  # fmt: skip
def test_a_signed_payload_that_is_no_statement(
    keys: Keys, audit: Path, payload: bytes, reason: str
) -> None:
    text = signed_statement(payload, keys.open())
    assert reason_of(text, audit, keys.verifier()) == reason
    if reason != "wrong-predicate-type":
        assert reason_of(text, audit, keys.verifier(), ANY) == reason


def test_unknown_fields_are_passed_over(keys: Keys, audit: Path) -> None:
    statement = payload_of(sign(audit, keys.open()))
    statement["later"] = statement["predicate"]["later"] = {"a": 1}
    statement["subject"][0]["annotations"] = {}
    statement["subject"][0]["digest"]["sha512"] = "00"
    verified = verify(signed_statement(statement, keys.open()), audit, keys.verifier(), Demands())
    assert verified.statement is not None


def test_the_subject_is_compared_by_its_digest_and_not_by_its_name(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open())
    moved = audit.rename(audit.with_name("elsewhere"))
    assert verify(text, moved, keys.verifier(), Demands()).file_compared


@pytest.mark.parametrize("payload_type", ["application/json", "text/plain; x", "é"])
@pytest.mark.parametrize("demands", [Demands(), ANY])
def test_another_payload_type_is_refused(
    keys: Keys, audit: Path, payload_type: str, demands: Demands
) -> None:
    statement = payload_of(sign(audit, keys.open()))
    text = signed_statement(statement, keys.open(), payload_type=payload_type)
    assert reason_of(text, audit, keys.verifier(), demands) == "wrong-payload-type"


def test_the_digest_alone_is_enough(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open())
    verified = verify(text, hashlib.sha256(EVENTS).digest(), keys.verifier(), Demands())
    assert not verified.file_compared
    assert reason_of(text, bytes(32), keys.verifier()) == "wrong-subject"
    assert reason_of(text, b"", keys.verifier()) == "wrong-subject"


# What is trusted is the verifier's choice: every bundle against every other kind of trust.


class _Makers:
    """The four ways to make and to check a signature here."""

    def __init__(self, keys: Keys) -> None:
        self.makers: dict[str, Provider] = {
            "key": keys.open(),
            "hmac": hmac_provider(),
            "sha256": sha256_provider(),
            "kms-hmac": keys.open("HMAC_256", "HMAC_SHA_256"),
        }
        self.verifiers: dict[str, Verifier] = {**self.makers, "key": keys.verifier()}


KINDS = ["key", "hmac", "sha256", "kms-hmac"]


@pytest.mark.parametrize("trusted", KINDS)
@pytest.mark.parametrize("made", KINDS)
def test_no_trust_takes_another_kind_of_signature(
    keys: Keys, audit: Path, made: str, trusted: str
) -> None:
    makers = _Makers(keys)
    text = sign(audit, makers.makers[made])
    verifier = makers.verifiers[trusted]
    if made == trusted:
        assert verify(text, audit, verifier, Demands()).kind == "signed-audit"
        return
    assert reason_of(text, audit, verifier) == "wrong-key"
    assert reason_of(text, audit, verifier, ANY) == "wrong-key"
    fields = json.loads(text)
    fields["dsseEnvelope"]["signatures"][0]["keyid"] = ""
    fields["verificationMaterial"] = {}
    assert reason_of(json.dumps(fields).encode(), audit, verifier) == "altered-statement"


@pytest.mark.parametrize("trusted", KINDS)
@pytest.mark.parametrize("made", KINDS)
def test_a_statement_never_claims_another_kind_of_signature(
    keys: Keys, audit: Path, made: str, trusted: str
) -> None:
    """What is signed with one kind speaks of another: a digest that says it is a managed key's."""
    makers = _Makers(keys)
    statement = payload_of(sign(audit, makers.makers[trusted]))
    text = signed_statement(statement, makers.makers[made])
    if made == trusted or {made, trusted} == {"hmac", "kms-hmac"}:
        return
    assert reason_of(text, audit, makers.verifiers[made]) == "wrong-algorithm"
    statement["predicate"]["signing"]["algorithm"] = makers.makers[made].algorithm
    text = signed_statement(statement, makers.makers[made])
    assert reason_of(text, audit, makers.verifiers[made]) == "inconsistent-statement"


@pytest.mark.parametrize("encode", ["pem", "der", "hint", "fingerprint"])
def test_the_public_key_is_never_an_hmac_key(keys: Keys, audit: Path, encode: str) -> None:
    """The confusion of JWT libraries: an HMAC made with the public key, which everybody has."""
    public_key = keys.verifier().public_key
    known = getattr(public_key, encode)
    secret = known.decode("latin-1") if isinstance(known, bytes) else known
    statement = payload_of(sign(audit, keys.open()))
    for algorithm in ("HMAC_SHA_256", "ECDSA_SHA_256"):
        statement["predicate"]["signing"]["algorithm"] = algorithm
        fields = json.loads(signed_statement(statement, hmac_provider(secret)))
        fields["dsseEnvelope"]["signatures"][0]["keyid"] = public_key.fingerprint
        text = json.dumps(fields).encode()
        assert reason_of(text, audit, keys.verifier()) == "altered-statement"


def test_another_secret_is_told_as_a_possible_cause(audit: Path) -> None:
    text = sign(audit, hmac_provider())
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, hmac_provider("another secret, long enough"), Demands())
    assert caught.value.code == "altered-statement"
    assert "another secret" in caught.value.fix
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("signed_with", "trusted"),
    [
        ("RSASSA_PSS_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256"),
        ("RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PSS_SHA_256"),
        ("RSASSA_PSS_SHA_512", "RSASSA_PSS_SHA_256"),
        ("RSASSA_PSS_SHA_256", None),
    ],
)
def test_for_rsa_the_verifier_decides_on_the_algorithm(
    keys: Keys, audit: Path, signed_with: str, trusted: str | None
) -> None:
    text = sign(audit, keys.open("RSA_3072", signed_with))
    verifier = keys.verifier("RSA_3072", trusted)
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, verifier, Demands())
    assert caught.value.code == "altered-statement"
    assert "--algorithm" in caught.value.fix
    assert verify(text, audit, keys.verifier("RSA_3072", signed_with), Demands())


def test_the_statement_must_name_the_rsa_algorithm_that_verified(keys: Keys, audit: Path) -> None:
    statement = payload_of(sign(audit, keys.open("RSA_3072", "RSASSA_PSS_SHA_256")))
    text = signed_statement(statement, keys.open("RSA_3072"))
    assert reason_of(text, audit, keys.verifier("RSA_3072")) == "wrong-algorithm"


@pytest.mark.parametrize(
    ("assurance", "minimum", "passes"),
    [
        ("software-key", Assurance.DIGEST, True),
        ("software-key", Assurance.SHARED_SECRET, True),
        ("software-key", Assurance.SOFTWARE_KEY, True),
        ("software-key", Assurance.MANAGED_KEY, False),
        ("managed-key", Assurance.MANAGED_KEY, True),
    ],
)
def test_what_is_below_the_minimum_assurance_is_refused(
    keys: Keys, audit: Path, assurance: str, minimum: Assurance, passes: bool
) -> None:
    statement = payload_of(sign(audit, keys.open()))
    statement["predicate"]["signing"]["assurance"] = assurance
    if assurance == "managed-key":
        statement["predicate"]["signing"] |= {"provider": "aws_kms_sdk", "simulation": None}
    text = signed_statement(statement, keys.open())
    demands = Demands(minimum_assurance=minimum)
    if passes:
        assert verify(text, audit, keys.verifier(), demands)
    else:
        assert reason_of(text, audit, keys.verifier(), demands) == "below-minimum-assurance"


@pytest.mark.parametrize(
    ("provider", "assurance", "simulation"),
    [
        ("kms", "managed-key", None),
        ("hmac", "managed-key", None),
        ("sha256", "managed-key", None),
        ("aws_kms_sdk", "managed-key", True),
        ("aws_kms_sdk", "software-key", None),
        ("hmac", "software-key", None),
    ],
)
def test_an_assurance_that_the_provider_cannot_give_is_refused(
    keys: Keys, audit: Path, provider: str, assurance: str, simulation: bool | None
) -> None:
    statement = payload_of(sign(audit, keys.open()))
    claimed = {"provider": provider, "assurance": assurance, "simulation": simulation}
    statement["predicate"]["signing"] |= claimed
    text = signed_statement(statement, keys.open())
    assert reason_of(text, audit, keys.verifier()) == "inconsistent-statement"


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields.pop("_type"),
        lambda fields: fields.update(type=fields.pop("_type")),
        lambda fields: fields.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda fields: fields["predicate"].update(audit_file=fields["predicate"].pop("auditFile")),
    ],
)
def test_a_statement_has_the_specified_names_and_no_others(
    keys: Keys, audit: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    statement = payload_of(sign(audit, keys.open()))
    change(statement)
    text = signed_statement(statement, keys.open())
    assert reason_of(text, audit, keys.verifier()) == "malformed-statement"


@pytest.mark.parametrize("provider", [hmac_provider(), sha256_provider()])
def test_the_fallbacks_have_little_assurance(audit: Path, provider: Provider) -> None:
    text = sign(audit, provider)
    demands = Demands(minimum_assurance=Assurance.SOFTWARE_KEY)
    assert reason_of(text, audit, provider, demands) == "below-minimum-assurance"


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("signed", "max_age", "reason"),
    [
        (NOW, None, None),
        (NOW - timedelta(days=4000), None, None),
        (NOW - timedelta(hours=24), timedelta(hours=24), None),
        (NOW - timedelta(hours=24, seconds=1), timedelta(hours=24), "too-old"),
        (NOW - timedelta(seconds=1), timedelta(0), "too-old"),
        (NOW + timedelta(minutes=5), timedelta(0), None),
        (NOW + timedelta(minutes=5, seconds=1), None, "from-the-future"),
        (NOW + timedelta(days=400), timedelta(days=9000), "from-the-future"),
    ],
)
def test_age(
    keys: Keys, audit: Path, signed: datetime, max_age: timedelta | None, reason: str | None
) -> None:
    statement = payload_of(sign(audit, keys.open()))
    statement["predicate"]["signing"]["time"] = format_time(signed)
    text = signed_statement(statement, keys.open())
    demands = Demands(max_age=max_age)
    if reason is None:
        assert verify(text, audit, keys.verifier(), demands, now=NOW)
    else:
        assert reason_of(text, audit, keys.verifier(), demands, now=NOW) == reason


@pytest.mark.parametrize(
    ("expect", "passes"),
    [
        ({}, True),
        ({"repository_id": "7"}, True),
        ({"repository_id": "7", "sha": "abc", "ref": "refs/heads/main"}, True),
        ({"repository_id": "70"}, False),
        ({"repository_id": "7", "sha": "abd"}, False),
        ({"repository": "ACME/pay"}, False),
        ({"repository": "*", "actor": "*"}, True),
        ({"actor": "octocat"}, False),
        ({"actor": ""}, False),
        ({"actor": "None"}, False),
    ],
)
def test_the_run_must_be_the_expected_one(
    keys: Keys, audit: Path, expect: dict[str, str], passes: bool
) -> None:
    text = sign(audit, keys.open(), run=RUN)
    if passes:
        assert verify(text, audit, keys.verifier(), Demands(expect=expect))
    else:
        assert reason_of(text, audit, keys.verifier(), Demands(expect=expect)) == "unexpected-run"


def test_no_run_is_not_the_expected_one(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open())
    demands = Demands(expect={"repository": "acme/pay"})
    assert reason_of(text, audit, keys.verifier(), demands) == "unexpected-run"


def test_no_signature_means_no_look_at_the_file(keys: Keys, audit: Path) -> None:
    """Nothing that a stranger wrote decides how the file is read before the signature is good."""
    statement = payload_of(sign(audit, keys.open()))
    statement["predicate"]["auditFile"]["format"] = "json"
    text = signed_statement(statement, keys.open("other"))
    assert reason_of(text, audit.with_name("missing"), keys.verifier()) == "wrong-key"


def test_verifying_needs_no_network(
    keys: Keys, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sign(audit, keys.open())
    verifier = keys.verifier()

    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert isinstance(verify(text, audit, verifier, Demands()), Verified)
    assert verify(message_bundle(EVENTS, keys.open()), audit, verifier, ANY)


def test_progress_is_told_while_the_file_is_read(keys: Keys, audit: Path) -> None:
    seen: list[int] = []
    for text in (sign(audit, keys.open()), message_bundle(EVENTS, keys.open())):
        verify(text, audit, keys.verifier(), ANY, progress=seen.append)
    assert seen == [len(EVENTS)] * 2


def test_every_reason_is_a_verification_error_of_the_family() -> None:
    assert issubclass(VerificationError, SignerError)
    assert issubclass(SignerError, RuntimeError)
