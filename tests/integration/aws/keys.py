"""The keys of the corrected KMS: every spec that signs, made and used with pyca/cryptography."""

import hmac
import os
from collections.abc import Callable
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RSA_ALGORITHMS = [
    f"RSASSA_{scheme}_SHA_{bits}" for scheme in ("PKCS1_V1_5", "PSS") for bits in (256, 384, 512)
]
SIGNING_ALGORITHMS = {
    **{f"RSA_{bits}": RSA_ALGORITHMS for bits in (2048, 3072, 4096)},
    "ECC_NIST_P256": ["ECDSA_SHA_256"],
    "ECC_NIST_P384": ["ECDSA_SHA_384"],
    "ECC_NIST_P521": ["ECDSA_SHA_512"],
    "ECC_SECG_P256K1": ["ECDSA_SHA_256"],
    "ECC_NIST_EDWARDS25519": ["ED25519_SHA_512", "ED25519_PH_SHA_512"],
    **{f"ML_DSA_{level}": ["ML_DSA_SHAKE_256"] for level in (44, 65, 87)},
}
"""KMS Developer Guide, "Key spec reference"."""

MAC_ALGORITHMS = {f"HMAC_{bits}": [f"HMAC_SHA_{bits}"] for bits in (224, 256, 384, 512)}

_GENERATORS: dict[str, Callable[[], Any]] = {
    "ECC_NIST_P256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ECC_NIST_P384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ECC_NIST_P521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ECC_SECG_P256K1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
    "ML_DSA_44": mldsa.MLDSA44PrivateKey.generate,
    "ML_DSA_65": mldsa.MLDSA65PrivateKey.generate,
    "ML_DSA_87": mldsa.MLDSA87PrivateKey.generate,
}


class Material:
    """A private key, or the secret of an HMAC key, made when it is first used."""

    def __init__(self, spec: str) -> None:
        self.spec = spec

    @cached_property
    def private(self) -> Any:
        """The private key as the library knows it."""
        if self.spec.startswith("RSA_"):
            return rsa.generate_private_key(65537, int(self.spec.removeprefix("RSA_")))
        return _GENERATORS[self.spec]()

    @cached_property
    def secret(self) -> bytes:
        """An HMAC key's secret."""
        return os.urandom(int(self.spec.removeprefix("HMAC_")) // 8)

    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        public = self.private.public_key()
        der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return der

    def sign(self, message: bytes, message_type: str, algorithm: str) -> bytes:
        """A signature in the form that KMS answers with.

        Args:
            message: as the request has it, of a length that fits.
            message_type: ``RAW``, ``DIGEST`` or ``EXTERNAL_MU``.
            algorithm: one that the spec offers.
        """
        signature: bytes
        if algorithm.startswith("ML_DSA"):
            sign = self.private.sign_mu if message_type == "EXTERNAL_MU" else self.private.sign
            signature = sign(message)
        elif algorithm == "ED25519_SHA_512":
            signature = self.private.sign(message)
        else:
            kinds: dict[str, Any] = {
                "256": hashes.SHA256,
                "384": hashes.SHA384,
                "512": hashes.SHA512,
            }
            digest = kinds[algorithm.rpartition("_")[2]]()
            how = utils.Prehashed(digest) if message_type == "DIGEST" else digest
            if algorithm.startswith("ECDSA"):
                signature = self.private.sign(message, ec.ECDSA(how))
            elif "PSS" in algorithm:
                pss = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)
                signature = self.private.sign(message, pss, how)
            else:
                signature = self.private.sign(message, padding.PKCS1v15(), how)
        return signature

    def mac(self, message: bytes, algorithm: str) -> bytes:
        """The HMAC of a message."""
        return hmac.digest(self.secret, message, f"sha{algorithm.rpartition('_')[2]}")
