"""``--type any``: other attestations and message signatures, and that they pass for no more."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.assurance import Assurance
from signer.errors import UsageError
from signer.verify.verdict import Demands
from signer.verify.verifying import verify
from tests.unit.support import (
    EVENTS,
    Keys,
    hmac_provider,
    message_bundle,
    payload_of,
    signed_statement,
)
from tests.unit.test_verifying import ALGORITHMS, ANY, RUN, VARIANTS, reason_of, sign


def _provenance(digest: str, **more: Any) -> dict[str, Any]:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "x", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {},
        **more,
    }


def test_other_attestations_are_taken_where_asked_for(keys: Keys, audit: Path) -> None:
    text = signed_statement(_provenance(hashlib.sha256(EVENTS).hexdigest()), keys.open())
    assert reason_of(text, audit, keys.verifier()) == "wrong-predicate-type"
    verified = verify(text, audit, keys.verifier(), ANY)
    assert (verified.kind, verified.statement) == ("attestation", None)
    assert reason_of(text, audit, keys.verifier("other"), ANY) == "wrong-key"
    audit.write_bytes(b"x")
    assert reason_of(text, audit, keys.verifier(), ANY) == "wrong-subject"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"_type": "https://in-toto.io/Statement/v9"}, "malformed-statement"),
        ({"subject": None}, "wrong-subject"),
        ({"subject": []}, "wrong-subject"),
        ({"subject": [None, {"digest": None}, {"digest": {"sha256": 1}}]}, "wrong-subject"),
        ({"subject": [{"digest": {"sha256": "zz" * 32}}]}, "wrong-subject"),
        ({"subject": [{"digest": {"sha512": "00" * 32}}]}, "wrong-subject"),
        ({"predicateType": {"a": 1}}, None),
    ],
)
def test_malformed_attestations(
    keys: Keys, audit: Path, more: dict[str, Any], reason: str | None
) -> None:
    fields = _provenance(hashlib.sha256(EVENTS).hexdigest(), **more)
    text = signed_statement(fields, keys.open())
    if reason is not None:
        assert reason_of(text, audit, keys.verifier(), ANY) == reason
    else:
        assert verify(text, audit, keys.verifier(), ANY).kind == "attestation"


@pytest.mark.parametrize(("spec", "algorithm"), VARIANTS)
def test_a_message_signature_is_no_signed_audit(
    keys: Keys, audit: Path, spec: str, algorithm: str
) -> None:
    text = message_bundle(EVENTS, keys.open(spec, algorithm))
    verifier = keys.verifier(spec, algorithm)
    assert reason_of(text, audit, verifier) == "wrong-kind"
    verified = verify(text, audit, verifier, ANY)
    assert (verified.kind, verified.statement) == ("message-signature", None)
    audit.write_bytes(EVENTS + b"x")
    assert reason_of(text, audit, verifier, ANY) == "altered-file"


def test_the_digest_in_a_message_bundle_proves_nothing(keys: Keys, audit: Path) -> None:
    fields = json.loads(message_bundle(EVENTS, keys.open()))
    forged = json.loads(message_bundle(b"another file", keys.open()))
    fields["messageSignature"]["messageDigest"] = forged["messageSignature"]["messageDigest"]
    audit.write_bytes(b"another file")
    text = json.dumps(fields).encode()
    assert reason_of(text, audit, keys.verifier(), ANY) == "altered-statement"
    digest = hashlib.sha256(b"another file").digest()
    assert reason_of(text, digest, keys.verifier(), ANY) == "altered-statement"


def test_a_message_signature_against_a_digest(keys: Keys) -> None:
    digest = hashlib.sha256(EVENTS).digest()
    text = message_bundle(EVENTS, keys.open())
    assert verify(text, digest, keys.verifier(), ANY).kind == "message-signature"
    for spec in ("ECC_NIST_P384", "ECC_NIST_EDWARDS25519", "ML_DSA_65"):
        text = message_bundle(EVENTS, keys.open(spec, ALGORITHMS[spec][0]))
        with pytest.raises(UsageError) as caught:
            verify(text, digest, keys.verifier(spec), ANY)
        assert caught.value.code == "file-needed"
    with pytest.raises(UsageError):
        verify(message_bundle(EVENTS, hmac_provider()), digest, hmac_provider(), ANY)


@pytest.mark.parametrize(
    "demands",
    [
        Demands(any_type=True, expect={"sha": "abc"}),
        Demands(any_type=True, max_age=timedelta(hours=1)),
        Demands(any_type=True, max_age=timedelta(0)),
        Demands(any_type=True, minimum_assurance=Assurance.SOFTWARE_KEY),
    ],
)
def test_what_states_no_run_cannot_meet_demands_on_it(
    keys: Keys, audit: Path, demands: Demands
) -> None:
    attestation = signed_statement(_provenance(hashlib.sha256(EVENTS).hexdigest()), keys.open())
    for text in (attestation, message_bundle(EVENTS, keys.open())):
        assert reason_of(text, audit, keys.verifier(), demands) == "unexpected-run"


def test_a_signed_audit_stays_one_with_any_type(keys: Keys, audit: Path) -> None:
    text = sign(audit, keys.open(), run=RUN)
    verified = verify(text, audit, keys.verifier(), ANY)
    assert verified.kind == "signed-audit"
    statement = payload_of(text)
    statement["predicate"]["auditFile"]["eventCount"] = 9
    text = signed_statement(statement, keys.open())
    assert reason_of(text, audit, keys.verifier(), ANY) == "wrong-event-count"
