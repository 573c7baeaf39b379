"""Key Vault's JSON form of keys and signatures, turned into everybody else's.

Sources: Key Vault REST API reference, ``GetKey`` (JsonWebKey, KeyAttributes); RFC 7518, section
6; RFC 8812; RFC 3279, section 2.2.3 (the DER form of an ECDSA signature).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from signer.crypto.algorithms import ALGORITHMS, Scheme
from signer.crypto.keys import PublicKey
from signer.errors import ProviderError, UsageError
from signer.providers.azure.names import Reference, parse_identifier

_CURVES: Mapping[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-256K": ec.SECP256K1,
    "SECP256K1": ec.SECP256K1,  # its name in the service's first years
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
_HALVES = {
    "ECC_NIST_P256": 32,
    "ECC_SECG_P256K1": 32,
    "ECC_NIST_P384": 48,
    "ECC_NIST_P521": 66,
}


@dataclass(frozen=True, slots=True)
class VaultKey:
    """What a vault says of one version of a key.

    Attributes:
        reference: which it is, with its version.
        operations: what it is allowed for, such as ``sign``.
        enabled: whether it may be used.
        not_before: from when on; None for no limit.
        expires: until when; None for no limit.
        created: when this version was made; None where the answer does not say.
        public_key: None for a symmetric key (``oct-HSM``).
    """

    reference: Reference
    operations: tuple[str, ...]
    enabled: bool
    not_before: datetime | None
    expires: datetime | None
    created: datetime | None
    public_key: PublicKey | None


def read_key(answer: Mapping[str, Any]) -> VaultKey:
    """A key as the service or the command line answers it (``key_ops`` or ``keyOps``, …).

    Raises:
        ProviderError: ``azure-answer-malformed``.
        VerificationError: ``key-not-accepted``, for a key that is too weak.
    """
    try:
        jwk, attributes = answer["key"], answer.get("attributes") or {}
        return VaultKey(
            reference=parse_identifier(jwk["kid"], "keys"),
            operations=tuple(jwk.get("key_ops") or jwk.get("keyOps") or ()),
            enabled=attributes.get("enabled") is not False,
            not_before=_moment(attributes.get("nbf", attributes.get("notBefore"))),
            expires=_moment(attributes.get("exp", attributes.get("expires"))),
            created=_moment(attributes.get("created")),
            public_key=public_key_of(jwk),
        )
    except (
        KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError, UsageError
    ) as error:  # fmt: skip
        raise malformed_answer(f"the key cannot be read ({error})") from error


def public_key_of(jwk: Mapping[str, Any]) -> PublicKey | None:
    """The public key of a JSON Web Key; None for a symmetric one.

    Raises:
        KeyError, TypeError, ValueError: malformed, or of another kind.
        VerificationError: ``key-not-accepted``.
    """
    kind = jwk["kty"]
    if kind in ("RSA", "RSA-HSM"):
        numbers = rsa.RSAPublicNumbers(e=_number(jwk["e"]), n=_number(jwk["n"]))
        return PublicKey.from_key(numbers.public_key())
    if kind in ("EC", "EC-HSM"):
        curve = _CURVES[jwk["crv"]]()
        point = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), curve)
        return PublicKey.from_key(point.public_key())
    if kind in ("oct", "oct-HSM"):
        return None
    raise ValueError(f"its type is {kind!r}")


def signature_of(value: str, algorithm: str, key_spec: str) -> bytes:
    """A signature as everybody else has it: DER for EC keys, for others as it is.

    Args:
        value: base64url or base64; for EC keys r and s side by side, each as long as the curve.
        algorithm: AWS's name.
        key_spec: the key's spec.

    Raises:
        ProviderError: ``azure-answer-malformed``.
    """
    try:
        signature = decode(value)
    except ValueError as error:
        raise malformed_answer("the signature is not base64") from error
    if ALGORITHMS[algorithm].scheme is not Scheme.ECDSA:
        return signature
    half = _HALVES[key_spec]
    if len(signature) != 2 * half:
        raise malformed_answer(
            f"the signature has {len(signature)} bytes, and one of this curve has {2 * half}"
        )
    return encode_dss_signature(
        int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    )


def decode(text: str) -> bytes:
    """The bytes of base64 in either alphabet, padded or not (RFC 4648, sections 4 and 5).

    Raises:
        ValueError: it is neither.
    """
    standard = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def encode(data: bytes) -> str:
    """base64url without padding, as the service takes it (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def malformed_answer(detail: str) -> ProviderError:
    """The error for an answer that is not the service's."""
    return ProviderError(
        "azure-answer-malformed",
        f"the vault's answer is not understood: {detail}",
        fix="check azure-kv-name and whether a proxy alters answers; nothing was signed with it.",
    )


def _number(text: str) -> int:
    return int.from_bytes(decode(text), "big")


def _moment(value: int | str | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value, UTC)
