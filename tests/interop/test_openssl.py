"""openssl and ssh-keygen: plain signatures, the plain HMAC and fingerprints."""

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.crypto.algorithms import ALGORITHMS
from signer.providers import hmac_key
from signer.settings.models import SignSettings
from signer.sign.signing import sign_audit_files
from tests.interop.conftest import EXAMPLE, Signed, SignWith
from tests.peers import require

_PSS = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
DIGESTS = {
    "RSASSA_PKCS1_V1_5_SHA_256": ("-sha256",),
    "RSASSA_PKCS1_V1_5_SHA_384": ("-sha384",),
    "RSASSA_PKCS1_V1_5_SHA_512": ("-sha512",),
    "RSASSA_PSS_SHA_256": ("-sha256", *_PSS),
    "RSASSA_PSS_SHA_384": ("-sha384", *_PSS),
    "RSASSA_PSS_SHA_512": ("-sha512", *_PSS),
    "ES256": ("-sha256",),
    "ES256K": ("-sha256",),
    "ES384": ("-sha384",),
    "ES512": ("-sha512",),
}


def _openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("openssl"), *arguments], capture_output=True, text=True, check=False
    )


def _verify(signed: Signed, options: tuple[str, ...]) -> bool:
    assert signed.plain is not None
    files = ("-verify", signed.public_key, "-signature", signed.plain, signed.audit)
    return _openssl("dgst", *options, *files).returncode == 0


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_openssl_verifies_the_plain_signature(sign_with: SignWith, algorithm: str) -> None:
    signed = sign_with(algorithm)
    assert _verify(signed, DIGESTS[algorithm])
    signed.audit.write_bytes(EXAMPLE.read_bytes()[:-2] + b" \n")
    assert not _verify(signed, DIGESTS[algorithm])


def test_openssl_verifies_the_plain_signature_of_an_ed25519_key(sign_with: SignWith) -> None:
    signed = sign_with("ED25519_SHA_512", b'{"allowed":true}\n')
    assert signed.plain is not None
    arguments = ("pkeyutl", "-verify", "-pubin", "-inkey", signed.public_key, "-rawin")
    files = ("-in", signed.audit, "-sigfile", signed.plain)
    assert _openssl(*arguments, *files).returncode == 0
    signed.audit.write_bytes(b'{"allowed":fals}\n')
    assert _openssl(*arguments, *files).returncode != 0


def test_every_algorithm_that_openssl_knows_is_here() -> None:
    signing = {name for name, entry in ALGORITHMS.items() if entry.scheme not in ("HMAC", "SHA")}
    azure = {"ES256": "ECDSA_SHA_256", "ES256K": "ECDSA_SHA_256", "ES384": "ECDSA_SHA_384",
             "ES512": "ECDSA_SHA_512"}  # fmt: skip
    here = {azure.get(name, name) for name in DIGESTS} | {"ED25519_SHA_512"}
    # OpenSSL knows ML-DSA from 3.5 on.
    assert signing - here == {"ML_DSA_SHAKE_256"}


@pytest.mark.parametrize(
    "secret", ["0123456789abcdef0123456789abcdef", "ein geheimes Wörtchen, lang"]
)
def test_openssl_makes_the_same_hmac(tmp_path: Path, secret: str) -> None:
    audit = tmp_path / "audit.jsonl"
    audit.write_bytes(EXAMPLE.read_bytes())
    sign_audit_files(
        [audit],
        SignSettings(audit_file=(str(audit),), plain_signature=True),
        hmac_key.open_key(secret.encode()),
        run=None,
        workspace=tmp_path,
    )
    plain = (tmp_path / "audit.jsonl.sig").read_bytes()
    done = _openssl("dgst", "-sha256", "-hmac", secret, audit)
    assert done.stdout.split()[-1] == plain.hex()


@pytest.mark.parametrize(
    "algorithm", ["ES256", "ES384", "ES512", "RSASSA_PSS_SHA_256", "ED25519_SHA_512"]
)
def test_ssh_keygen_prints_the_same_fingerprint(
    sign_with: SignWith, tmp_path: Path, algorithm: str
) -> None:
    signed = sign_with(algorithm, plain=False)
    path = tmp_path / "key.openssh"
    path.write_bytes(signed.key.key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    done = subprocess.run(
        [require("ssh-keygen"), "-lf", path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[1] == signed.key.fingerprint
    if algorithm != "ED25519_SHA_512":  # which ssh-keygen does not import from PKCS#8
        imported = subprocess.run(
            [require("ssh-keygen"), "-i", "-m", "PKCS8", "-f", signed.public_key],
            capture_output=True, check=True,
        )  # fmt: skip
        assert imported.stdout.split()[:2] == path.read_bytes().split()[:2]


@pytest.mark.parametrize("algorithm", ["ES256", "ES256K", "RSASSA_PSS_SHA_256"])
def test_the_hint_is_openssls_digest_of_the_key(sign_with: SignWith, algorithm: str) -> None:
    signed = sign_with(algorithm, plain=False)
    der = subprocess.run(
        [require("openssl"), "pkey", "-pubin", "-in", signed.public_key, "-outform", "DER"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    digest = subprocess.run(
        [require("openssl"), "dgst", "-sha256", "-binary"],
        input=der,
        capture_output=True,
        check=True,
    )
    assert b64encode(digest.stdout).decode() == signed.key.hint
