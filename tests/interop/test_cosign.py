"""cosign, both ways: it verifies what we sign, and we verify what it signs."""

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from signer.audit.statement import PREDICATE_TYPE
from signer.crypto.keys import PublicKey
from signer.crypto.verifier import PublicKeyVerifier
from signer.envelope import dsse
from signer.errors import AuditFileError, VerificationError
from signer.verify.trusted import check_limits, read
from signer.verify.verdict import Demands
from signer.verify.verifying import verify
from tests.interop.conftest import EXAMPLE, Run, SignWith
from tests.unit.support import trusted_keys

# cosign hashes with SHA-256 whatever the key: it verifies these three kinds.
KNOWN = ["ECDSA_SHA_256", "RSASSA_PKCS1_V1_5_SHA_256", "ED25519_SHA_512"]
ANY = Demands(any_type=True)


@pytest.mark.parametrize("algorithm", KNOWN)
def test_cosign_verifies_the_signed_audit(sign_with: SignWith, cosign: Run, algorithm: str) -> None:
    signed = sign_with(algorithm, plain=False)
    arguments = (
        *("verify-blob-attestation", "--key", signed.public_key, "--bundle", signed.bundle),
        *("--insecure-ignore-tlog", "--type", PREDICATE_TYPE, signed.audit),
    )
    done = cosign(*arguments)
    assert done.returncode == 0, done.stderr
    signed.audit.write_bytes(EXAMPLE.read_bytes()[:-2] + b" \n")
    assert cosign(*arguments).returncode != 0


@pytest.mark.parametrize("algorithm", KNOWN)
def test_cosign_verifies_the_plain_signature(
    sign_with: SignWith, cosign: Run, algorithm: str
) -> None:
    signed = sign_with(algorithm, b'{"allowed":true}\n')
    assert signed.plain is not None
    encoded = signed.plain.with_name("encoded")
    encoded.write_bytes(b64encode(signed.plain.read_bytes()))
    for signature in (signed.plain, encoded):
        arguments = (
            *("verify-blob", "--key", signed.public_key, "--signature", signature),
            *("--insecure-ignore-tlog", signed.audit),
        )
        done = cosign(*arguments)
        assert done.returncode == 0, done.stderr
    signed.audit.write_bytes(b'{"allowed":null}\n')
    assert cosign(*arguments).returncode != 0


@pytest.fixture
def cosign_key(cosign: Run, tmp_path: Path) -> PublicKeyVerifier:
    """A key that cosign made for itself."""
    done = cosign("generate-key-pair")
    assert done.returncode == 0, done.stderr
    pem = (tmp_path / "cosign-home" / "cosign.pub").read_bytes()
    return PublicKeyVerifier(PublicKey.from_pem(pem), "ECDSA_SHA_256")


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(EXAMPLE.read_bytes())
    return path


_OFFLINE = ("--key", "cosign.key", "--tlog-upload=false", "--use-signing-config=false", "--yes")


def test_cosigns_message_signature_verifies_where_asked_for_and_else_not(
    cosign: Run, cosign_key: PublicKeyVerifier, audit: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "message.json"
    done = cosign("sign-blob", *_OFFLINE, "--bundle", bundle, audit)
    assert done.returncode == 0, done.stderr
    text = bundle.read_bytes()
    assert verify(text, audit, cosign_key, ANY).kind == "message-signature"
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, cosign_key, Demands())
    assert caught.value.code == "wrong-kind"
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, cosign_key, Demands(any_type=True, max_age=timedelta(days=1)))
    assert caught.value.code == "unexpected-run"
    audit.write_bytes(b"altered")
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, cosign_key, ANY)
    assert caught.value.code == "altered-file"


@pytest.mark.parametrize("predicate_type", ["https://example.com/p", "slsaprovenance1"])
def test_cosigns_attestation_verifies_where_asked_for_and_else_not(
    cosign: Run, cosign_key: PublicKeyVerifier, audit: Path, tmp_path: Path, predicate_type: str
) -> None:
    bundle, predicate = tmp_path / "attestation.json", tmp_path / "predicate.json"
    predicate.write_text(
        '{"buildDefinition":{"buildType":"x"},"runDetails":{"builder":{"id":"y"}}}'
    )
    done = cosign(
        *("attest-blob", *_OFFLINE, "--bundle", bundle, "--predicate", predicate),
        *("--type", predicate_type, audit),
    )
    assert done.returncode == 0, done.stderr
    text = bundle.read_bytes()
    assert verify(text, audit, cosign_key, ANY).kind == "attestation"
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, cosign_key, Demands())
    assert caught.value.code == "wrong-predicate-type"
    audit.write_bytes(b"altered")
    with pytest.raises(VerificationError) as caught:
        verify(text, audit, cosign_key, ANY)
    assert caught.value.code == "wrong-subject"


def test_trusted_keys_find_cosigns_key_by_its_hint(
    cosign: Run, cosign_key: PublicKeyVerifier, audit: Path, tmp_path: Path
) -> None:
    bundle, file = tmp_path / "message.json", tmp_path / "trusted.yml"
    cosign("sign-blob", *_OFFLINE, "--bundle", bundle, audit)
    cosigns = {"name": "cosign's", "public_key": cosign_key.public_key.pem.decode()}
    file.write_text(trusted_keys(cosigns))
    key = read(file).key_for(bundle.read_bytes())
    assert key.name == "cosign's"
    verified = verify(bundle.read_bytes(), audit, key, ANY)
    check_limits(key, verified, None, run_asked=True)
    file.write_text(trusted_keys({**cosigns, "not_before": "2000-01-01T00:00:00Z"}))
    with pytest.raises(VerificationError) as caught:
        check_limits(read(file).key_for(bundle.read_bytes()), verified, None, run_asked=True)
    assert caught.value.code == "key-not-valid-then"


def test_cosign_and_ours_name_a_key_by_the_same_hint(
    cosign: Run, cosign_key: PublicKeyVerifier, audit: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "message.json"
    cosign("sign-blob", *_OFFLINE, "--bundle", bundle, audit)
    material = json.loads(bundle.read_bytes())["verificationMaterial"]
    assert material["publicKey"]["hint"] == cosign_key.public_key.hint


@pytest.mark.parametrize("plain", [False, True])
def test_a_forged_encoding_is_refused_though_cosign_would_take_its_signature(
    sign_with: SignWith, cosign: Run, tmp_path: Path, plain: bool
) -> None:
    """Why: whoever makes a key sign these bytes has a statement of their own choice signed."""
    signed = sign_with("ECDSA_SHA_256", plain=False)
    envelope = json.loads(signed.bundle.read_bytes())["dsseEnvelope"]
    forged = b64decode(envelope["payload"]).replace(b'"eventCount":400', b'"eventCount":401')
    encoding = dsse.pae(dsse.PAYLOAD_TYPE, forged)
    # What the key would answer if it signed such a file, as cosign's own key does.
    blob = tmp_path / "forged"
    blob.write_bytes(encoding)
    cosign("generate-key-pair")
    oracle = tmp_path / "oracle.json"
    assert cosign("sign-blob", *_OFFLINE, "--bundle", oracle, blob).returncode == 0
    pem = (tmp_path / "cosign-home" / "cosign.pub").read_bytes()
    verifier = PublicKeyVerifier(PublicKey.from_pem(pem), "ECDSA_SHA_256")
    signature = json.loads(oracle.read_bytes())["messageSignature"]["signature"]
    fields = json.loads(signed.bundle.read_bytes())
    fields["dsseEnvelope"]["payload"] = b64encode(forged).decode()
    fields["dsseEnvelope"]["signatures"] = [
        {"sig": signature, "keyid": verifier.public_key.fingerprint}
    ]
    bundle = tmp_path / "forged.json"
    bundle.write_text(json.dumps(fields))
    accepted = cosign(
        *("verify-blob-attestation", "--key", "cosign.pub", "--bundle", bundle),
        *("--insecure-ignore-tlog", "--type", PREDICATE_TYPE, signed.audit),
    )
    assert accepted.returncode == 0, accepted.stderr
    # Ours never gives such a signature,
    signed.bundle.unlink()
    signed.public_key.unlink()
    with pytest.raises(AuditFileError) as caught:
        sign_with("ECDSA_SHA_256", encoding, plain=plain)
    assert caught.value.code == "audit-file-is-dsse"
    # and would not believe this one: the statement names another key.
    with pytest.raises(VerificationError) as refused:
        verify(bundle.read_bytes(), EXAMPLE, verifier, Demands())
    assert refused.value.code == "inconsistent-statement"
