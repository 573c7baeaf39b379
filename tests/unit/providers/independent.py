"""Other implementations that verify what a provider signed, from the message itself."""

import json
import subprocess
from base64 import b64decode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa

from signer.crypto.algorithms import ALGORITHMS, Scheme
from signer.crypto.keys import PublicKey
from tests.peers import require

_PSS_OPTIONS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]


def openssl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run openssl; skips the test, by name, where there is none."""
    return subprocess.run([require("openssl"), *arguments], capture_output=True, check=False)


def verifies(
    public_key: PublicKey, algorithm: str, message: bytes, signature: bytes, folder: Path
) -> bool:
    """Whether openssl verifies a signature; for ML-DSA, which OpenSSL 3.0 lacks, cryptography."""
    entry = ALGORITHMS[algorithm]
    if entry.scheme is Scheme.ML_DSA:
        return _ml_dsa_verifies(public_key, message, signature)
    names = {"key.pub": public_key.pem, "message": message, "signature": signature}
    for name, content in names.items():
        (folder / name).write_bytes(content)
    key_file, message_file, signature_file = (str(folder / name) for name in names)
    if entry.scheme is Scheme.ED25519:
        files = ["-inkey", key_file, "-in", message_file, "-sigfile", signature_file]
        return openssl("pkeyutl", "-verify", "-pubin", "-rawin", *files).returncode == 0
    options = _PSS_OPTIONS if entry.scheme is Scheme.RSA_PSS else []
    files = ["-verify", key_file, "-signature", signature_file, message_file]
    return openssl("dgst", f"-{entry.hash_name}", *options, *files).returncode == 0


def mac(secret: bytes, algorithm: str, message: bytes, folder: Path) -> bytes:
    """The HMAC as openssl makes it."""
    (folder / "message").write_bytes(message)
    hash_name = ALGORITHMS[algorithm].hash_name
    options = ["-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}", "-binary"]
    return openssl("dgst", f"-{hash_name}", *options, str(folder / "message")).stdout


def sha256(message: bytes, folder: Path) -> bytes:
    """The SHA-256 as openssl makes it."""
    (folder / "message").write_bytes(message)
    return openssl("dgst", "-sha256", "-binary", str(folder / "message")).stdout


def stored_secret(directory: Path, key_id: str) -> bytes:
    """The bytes of an HMAC key, read from the embedded KMS's own file (docs/embedded-kms.md)."""
    uuid, _, number = key_id.rsplit(":key/")[1].partition("/")
    document = json.loads((directory / f"key-{uuid}.json").read_bytes())
    return b64decode(document["versions"][int(number or 1) - 1]["material"])


def _ml_dsa_verifies(public_key: PublicKey, message: bytes, signature: bytes) -> bool:
    key = public_key.key
    assert isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey)
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
