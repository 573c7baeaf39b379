"""Key material: made, kept as bytes, and signed with. Nothing here knows of files or names."""

import hmac
import os
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from signer.crypto.algorithms import ALGORITHMS
from signer.crypto.keys import PublicKey, prehashed, rsa_padding

_PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | mldsa.MLDSA44PrivateKey
    | mldsa.MLDSA65PrivateKey
    | mldsa.MLDSA87PrivateKey
)


def is_hmac(key_spec: str) -> bool:
    """Whether keys of this spec make MACs and have no public key."""
    return key_spec.startswith("HMAC_")


def generate(key_spec: str) -> bytes:
    """New key material.

    Args:
        key_spec: one of `signer.crypto.algorithms.KEY_SPECS`.

    Returns:
        A private key as unencrypted PKCS#8 DER (RFC 5958); for HMAC the key's random bytes, as
        many as the MAC has.
    """
    kind, _, size = key_spec.rpartition("_")
    if kind == "HMAC":
        return os.urandom(int(size) // 8)
    key: _PrivateKey
    if kind == "RSA":
        key = rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    else:
        key = _GENERATORS[key_spec]()
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


_GENERATORS: Mapping[str, Callable[[], _PrivateKey]] = {
    "ECC_NIST_P256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECC_NIST_P384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ECC_NIST_P521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ECC_SECG_P256K1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey.generate,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey.generate,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey.generate,
}


def public_key(material: bytes) -> PublicKey:
    """The public key of a private key.

    Raises:
        ValueError: ``material`` is no PKCS#8 private key of a known kind.
        VerificationError: ``key-not-accepted``, for a weak key.
    """
    return PublicKey.from_key(_load(material).public_key())


def sign(material: bytes, algorithm: str, digest: bytes) -> bytes:
    """A signature over what the algorithm's hasher made of a message.

    Args:
        material: the private key as PKCS#8 DER.
        algorithm: AWS's name of an algorithm that fits the key.
        digest: the digest, ML-DSA's mu, or Ed25519's message.

    Returns:
        The signature as AWS returns it: DER (RFC 3279, section 2.2.3) for ECDSA.

    Raises:
        ValueError: ``material`` is no PKCS#8 private key of a known kind.
    """
    match _load(material):
        case rsa.RSAPrivateKey() as key:
            return key.sign(digest, rsa_padding(algorithm), prehashed(algorithm))
        case ec.EllipticCurvePrivateKey() as key:
            return key.sign(digest, ec.ECDSA(prehashed(algorithm)))
        case ed25519.Ed25519PrivateKey() as key:
            return key.sign(digest)
        case key:
            return key.sign_mu(digest)


def mac(material: bytes, algorithm: str, message: bytes) -> bytes:
    """The HMAC (RFC 2104) of a message.

    Args:
        material: the key's bytes.
        algorithm: ``HMAC_SHA_224``, ``_256``, ``_384`` or ``_512``.
        message: the message.
    """
    return hmac.digest(material, message, ALGORITHMS[algorithm].hash_name)


def _load(material: bytes) -> _PrivateKey:
    # The expensive primality check is left out: each signature is verified before it is used.
    key = load_der_private_key(material, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, _PrivateKey):
        raise ValueError(f"a private key of the kind {type(key).__name__}")
    return key
