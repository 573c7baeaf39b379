"""Public keys: read strictly, named the way other tools name them, and verified with.

Private keys never come here; the embedded KMS keeps its own.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import NoReturn, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from signer.crypto.algorithms import (
    ALGORITHMS,
    Scheme,
    algorithms_of,
    choose_algorithm,
    default_algorithm,
)
from signer.errors import VerificationError

MAX_KEY_FILE = 65_536
"""No public key file is longer, in bytes; the largest kind, ML-DSA-87, has 3.6 kB."""

MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""The lower bound is NIST SP 800-131A's; the upper one keeps verifying cheap."""

_PUBLIC_KEY_BLOCK = re.compile(
    rb"\s*-----BEGIN PUBLIC KEY-----[ \t]*\r?\n([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*"
)
_CURVES = {
    "secp256r1": "ECC_NIST_P256",
    "secp384r1": "ECC_NIST_P384",
    "secp521r1": "ECC_NIST_P521",
    "secp256k1": "ECC_SECG_P256K1",
}
_WITHOUT_OPENSSH_FORM = ("ECC_SECG_P256K1", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87")
_HASHES: dict[str, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

AnyPublicKey = (
    rsa.RSAPublicKey
    | ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
"""The kinds of key of the library beneath."""


def prehashed(algorithm: str) -> utils.Prehashed:
    """Tells the library beneath that it is given an algorithm's digest, not the message."""
    return utils.Prehashed(_HASHES[ALGORITHMS[algorithm].hash_name]())


def rsa_padding(algorithm: str) -> padding.PKCS1v15 | padding.PSS:
    """The padding of an RSA algorithm; PSS with a salt exactly as long as the digest.

    Sources: RFC 8017 sections 8.1 and 8.2; AWS KMS and Azure Key Vault both use this salt.
    """
    entry = ALGORITHMS[algorithm]
    if entry.scheme is Scheme.RSA_PKCS1V15:
        return padding.PKCS1v15()
    digest = _HASHES[entry.hash_name]()
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of a kind and strength that is accepted; equal to another by its DER.

    Attributes:
        der: SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), re-encoded from the parsed key, so
            that one key has one encoding, whatever the file it was read from looked like.
        spec: AWS's key spec, such as ``ECC_NIST_P256``; for RSA ``RSA_`` and the modulus' bits.
        key: the key as the library beneath knows it.
    """

    der: bytes = field(repr=False)
    spec: str
    key: AnyPublicKey = field(repr=False, compare=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read exactly one PEM block of the type PUBLIC KEY (RFC 7468, section 13).

        Raises:
            VerificationError: ``key-unreadable`` or ``key-not-accepted``.
        """
        match = _PUBLIC_KEY_BLOCK.fullmatch(pem) if len(pem) <= MAX_KEY_FILE else None
        if match is None:
            raise _unreadable(pem)
        try:
            der = base64.b64decode(b"".join(match[1].split()), validate=True)
        except binascii.Error as error:
            raise VerificationError(
                "key-unreadable",
                "the base64 of the public key's PEM block is malformed",
                fix=_FIX_PEM,
            ) from error
        return cls.from_der(der)

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a DER SubjectPublicKeyInfo, with nothing after it.

        Raises:
            VerificationError: ``key-unreadable`` or ``key-not-accepted``.
        """
        try:
            key = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise VerificationError(
                "key-unreadable",
                "this is not the SubjectPublicKeyInfo of a public key of a known kind",
                fix=_FIX_PEM,
            ) from error
        return cls.from_key(key)

    @classmethod
    def from_key(cls, key: object) -> Self:
        """Take a public key that is already parsed.

        Args:
            key: a key of the library beneath, one of `AnyPublicKey`.

        Raises:
            VerificationError: ``key-not-accepted`` for any other kind, and for weak ones.
        """
        match key:
            case rsa.RSAPublicKey():
                spec = _rsa_spec(key)
            case ec.EllipticCurvePublicKey():
                spec = _CURVES.get(key.curve.name) or _refuse(f"its curve is {key.curve.name}")
            case ed25519.Ed25519PublicKey():
                spec = "ECC_NIST_EDWARDS25519"
            case mldsa.MLDSA44PublicKey():
                spec = "ML_DSA_44"
            case mldsa.MLDSA65PublicKey():
                spec = "ML_DSA_65"
            case mldsa.MLDSA87PublicKey():
                spec = "ML_DSA_87"
            case _:
                _refuse(f"it is of the kind {type(key).__name__}")
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(der=der, spec=spec, key=key)

    @property
    def pem(self) -> bytes:
        """The key as PEM, lines of 64 characters, with a line feed at the end."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """AWS's names of the algorithms that the key offers, the default first."""
        return algorithms_of(self.spec)

    @property
    def default_algorithm(self) -> str:
        """The algorithm for this key where the user names none."""
        return default_algorithm(self.spec)

    @property
    def hint(self) -> str:
        """base64(SHA-256(DER)): ``verificationMaterial.publicKey.hint`` of a Sigstore bundle."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and unpadded base64, as ``ssh-keygen -lf`` prints it.

        The digest is of OpenSSH's encoding of the key (RFC 4253, section 6.6; RFC 5656, section
        3.1; RFC 8709, section 4), and of the DER where OpenSSH has none (secp256k1, ML-DSA).
        """
        encoded = self.der
        if self.spec not in _WITHOUT_OPENSSH_FORM:
            line = self.key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
            encoded = base64.b64decode(line.split()[1])
        digest = base64.b64encode(hashlib.sha256(encoded).digest()).decode("ascii")
        return "SHA256:" + digest.rstrip("=")

    def verify(self, algorithm: str, signature: bytes, digest: bytes) -> None:
        """Check a signature, offline.

        Args:
            algorithm: the algorithm's name; one that the key offers.
            signature: as AWS returns it: DER for ECDSA (strictly), else the raw bytes.
            digest: what the algorithm's hasher made of the message.

        Raises:
            UsageError: ``algorithm-not-offered`` by this key.
            VerificationError: ``signature-mismatch``.
        """
        name = choose_algorithm(algorithm, self.spec)
        try:
            match self.key:
                case rsa.RSAPublicKey():
                    self.key.verify(signature, digest, rsa_padding(name), prehashed(name))
                case ec.EllipticCurvePublicKey():
                    self.key.verify(signature, digest, ec.ECDSA(prehashed(name)))
                case ed25519.Ed25519PublicKey():
                    self.key.verify(signature, digest)
                case _:
                    self.key.verify_mu(signature, digest)
        except (InvalidSignature, ValueError) as error:  # ValueError: a digest of wrong length
            raise signature_mismatch(name, self.fingerprint) from error


def signature_mismatch(algorithm: str, key: str) -> VerificationError:
    """The error for a signature that is not a key's over the given message.

    Args:
        algorithm: AWS's name.
        key: what names the key without revealing it.
    """
    return VerificationError(
        "signature-mismatch",
        f"the signature is not one of the key {key} over this content ({algorithm})",
        fix="check that it is the right key, and that neither content nor signature was altered",
    )


_FIX_PEM = "give a public key as PEM: one block that begins -----BEGIN PUBLIC KEY-----"

_OTHER_KINDS = (
    (
        rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        "this is a private key, and nothing but the public key is needed",
        "make the public key with `openssl pkey -in KEY -pubout`, and keep the private one secret",
    ),
    (
        rb"-----BEGIN [A-Z0-9 ]*CERTIFICATE",
        "this is a certificate, not a public key",
        "take its public key with `openssl x509 -in CERTIFICATE -pubkey -noout`",
    ),
    (
        rb"-----BEGIN RSA PUBLIC KEY-----",
        "this is a public key in RSA's older form (PKCS#1)",
        "convert it with `openssl rsa -RSAPublicKey_in -in KEY -pubout`",
    ),
    (
        rb"\A\s*(ssh-|ecdsa-sha2-)",
        "this is a public key in OpenSSH's form",
        "convert it with `ssh-keygen -e -m PKCS8 -f KEY`",
    ),
    (
        rb"(?s)-----BEGIN .*-----BEGIN ",
        "this holds more than one PEM block",
        "give a file with one public key alone",
    ),
    (
        rb"-----BEGIN PUBLIC KEY-----",
        "the PEM block is malformed, or there is something before or after it",
        _FIX_PEM,
    ),
)


def _unreadable(pem: bytes) -> VerificationError:
    """The error for what is no PEM public key: says what it is instead, and echoes none of it."""
    for pattern, message, fix in _OTHER_KINDS:
        if re.search(pattern, pem[:MAX_KEY_FILE]):
            return VerificationError("key-unreadable", message, fix=fix)
    return VerificationError("key-unreadable", "this is not a PEM public key", fix=_FIX_PEM)


def _rsa_spec(key: rsa.RSAPublicKey) -> str:
    """The spec of an RSA key; refuses sizes and exponents outside FIPS 186-5, section A.1.1."""
    numbers = key.public_numbers()
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        _refuse(f"its modulus has {key.key_size} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}")
    if not 2**16 < numbers.e < 2**256 or numbers.e % 2 == 0:
        _refuse("its RSA exponent is not an odd number of at least 65537")
    if numbers.n % 2 == 0:
        _refuse("its RSA modulus is even")
    return f"RSA_{key.key_size}"


def _refuse(reason: str) -> NoReturn:
    raise VerificationError(
        "key-not-accepted",
        f"this public key is not accepted: {reason}",
        fix="use RSA of 2048 to 8192 bits, P-256, P-384, P-521, secp256k1, Ed25519 or ML-DSA",
    )
