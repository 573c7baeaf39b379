"""The signing algorithms, under AWS's names, and the key specs that offer them.

Sources: AWS KMS API reference, ``Sign`` (SigningAlgorithm, MessageType), ``CreateKey`` (KeySpec)
and ``GenerateMac`` (MacAlgorithm); RFC 7518 section 3 and RFC 8812 for the names Azure uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from signer.errors import UsageError

MAX_RAW_MESSAGE = 4096
"""The longest message, in bytes, that KMS takes as it is (``Sign``, ``GenerateMac``)."""


class MessageType(StrEnum):
    """What a key is given to sign: AWS's ``MessageType``."""

    RAW = "RAW"
    """The message itself, at most `MAX_RAW_MESSAGE` bytes."""
    DIGEST = "DIGEST"
    """The message's digest, made by the algorithm's own hash function."""
    EXTERNAL_MU = "EXTERNAL_MU"
    """ML-DSA's 64-byte message representative mu (FIPS 204, section 6.2)."""


class Scheme(StrEnum):
    """The mathematics of an algorithm, without its hash function."""

    RSA_PKCS1V15 = "RSASSA_PKCS1_V1_5"
    RSA_PSS = "RSASSA_PSS"
    ECDSA = "ECDSA"
    ED25519 = "ED25519"
    ML_DSA = "ML_DSA"
    HMAC = "HMAC"
    HASH = "SHA"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to sign.

    Attributes:
        name: AWS's name.
        scheme: its mathematics.
        message_type: what the key is given.
        hash_name: hashlib's name of the hash function.
        digest_length: how many bytes the key is given; None for `MessageType.RAW`, where it is
            as many as the message has.
    """

    name: str
    scheme: Scheme
    message_type: MessageType
    hash_name: str
    digest_length: int | None


def _table() -> Mapping[str, Algorithm]:
    algorithms = [
        Algorithm(
            f"{scheme}_SHA_{bits}",
            scheme,
            MessageType.DIGEST,
            f"sha{bits}",
            digest_length=bits // 8,
        )
        for scheme in (Scheme.RSA_PKCS1V15, Scheme.RSA_PSS, Scheme.ECDSA)
        for bits in (256, 384, 512)
    ]
    algorithms += [
        Algorithm("ED25519_SHA_512", Scheme.ED25519, MessageType.RAW, "sha512", None),
        Algorithm("ML_DSA_SHAKE_256", Scheme.ML_DSA, MessageType.EXTERNAL_MU, "shake_256", 64),
    ]
    algorithms += [
        Algorithm(f"HMAC_SHA_{bits}", Scheme.HMAC, MessageType.RAW, f"sha{bits}", None)
        for bits in (224, 256, 384, 512)
    ]
    algorithms.append(Algorithm("SHA_256", Scheme.HASH, MessageType.DIGEST, "sha256", 32))
    return MappingProxyType({algorithm.name: algorithm for algorithm in algorithms})


ALGORITHMS: Mapping[str, Algorithm] = _table()
"""Every algorithm, by AWS's name; ``SHA_256`` is the fallback that proves integrity only."""

_RSA_ALGORITHMS = tuple(
    name
    for name, algorithm in ALGORITHMS.items()
    if algorithm.scheme in (Scheme.RSA_PKCS1V15, Scheme.RSA_PSS)
)

KEY_SPECS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "RSA_2048": _RSA_ALGORITHMS,
        "RSA_3072": _RSA_ALGORITHMS,
        "RSA_4096": _RSA_ALGORITHMS,
        "ECC_NIST_P256": ("ECDSA_SHA_256",),
        "ECC_NIST_P384": ("ECDSA_SHA_384",),
        "ECC_NIST_P521": ("ECDSA_SHA_512",),
        "ECC_SECG_P256K1": ("ECDSA_SHA_256",),
        "ECC_NIST_EDWARDS25519": ("ED25519_SHA_512",),
        "ML_DSA_44": ("ML_DSA_SHAKE_256",),
        "ML_DSA_65": ("ML_DSA_SHAKE_256",),
        "ML_DSA_87": ("ML_DSA_SHAKE_256",),
        "HMAC_224": ("HMAC_SHA_224",),
        "HMAC_256": ("HMAC_SHA_256",),
        "HMAC_384": ("HMAC_SHA_384",),
        "HMAC_512": ("HMAC_SHA_512",),
    }
)
"""The key specs that a KMS creates, each with the algorithms it offers, the default first."""

_AZURE: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "RS256": ("RSASSA_PKCS1_V1_5_SHA_256", None),
        "RS384": ("RSASSA_PKCS1_V1_5_SHA_384", None),
        "RS512": ("RSASSA_PKCS1_V1_5_SHA_512", None),
        "PS256": ("RSASSA_PSS_SHA_256", None),
        "PS384": ("RSASSA_PSS_SHA_384", None),
        "PS512": ("RSASSA_PSS_SHA_512", None),
        "ES256": ("ECDSA_SHA_256", "ECC_NIST_P256"),
        "ES256K": ("ECDSA_SHA_256", "ECC_SECG_P256K1"),
        "ES384": ("ECDSA_SHA_384", "ECC_NIST_P384"),
        "ES512": ("ECDSA_SHA_512", "ECC_NIST_P521"),
        "HS256": ("HMAC_SHA_256", None),
        "HS384": ("HMAC_SHA_384", None),
        "HS512": ("HMAC_SHA_512", None),
    }
)
"""Azure's names: the algorithm, and the key spec where the name fixes the curve as well."""

_NEW_KEY_SPECS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_RSA_ALGORITHMS, "RSA_3072"),
        "ECDSA_SHA_256": "ECC_NIST_P256",
        "ECDSA_SHA_384": "ECC_NIST_P384",
        "ECDSA_SHA_512": "ECC_NIST_P521",
        "ED25519_SHA_512": "ECC_NIST_EDWARDS25519",
        "ML_DSA_SHAKE_256": "ML_DSA_65",
        "HMAC_SHA_224": "HMAC_224",
        "HMAC_SHA_256": "HMAC_256",
        "HMAC_SHA_384": "HMAC_384",
        "HMAC_SHA_512": "HMAC_512",
    }
)


def algorithm_named(text: str) -> str:
    """AWS's name of the algorithm that ``text`` names in AWS's or in Azure's way.

    ``ES256`` and ``ES256K`` name a curve besides the algorithm: a caller that has the key, or
    makes one, passes the user's own text on to `choose_algorithm` or `new_key_spec`.

    Raises:
        UsageError: ``algorithm-unknown``.
    """
    if text in ALGORITHMS:
        return text
    if text in _AZURE:
        return _AZURE[text][0]
    from difflib import get_close_matches  # only ever needed for the error

    allowed = (*ALGORITHMS, *_AZURE)
    nearest = get_close_matches(text.upper().replace("-", "_"), allowed, n=1)
    suggestion = f"did you mean {nearest[0]}? " if nearest else ""
    raise UsageError(
        "algorithm-unknown",
        f"{text!r} is not the name of a signing algorithm",
        fix=f"{suggestion}Allowed (upper case): {', '.join(allowed)}",
    )


def algorithms_of(key_spec: str) -> tuple[str, ...]:
    """The algorithms that keys of ``key_spec`` offer, the default first.

    RSA keys of sizes that a KMS does not create (``RSA_8192``) can be verified with too.

    Raises:
        KeyError: no such key spec.
    """
    return _RSA_ALGORITHMS if key_spec.startswith("RSA_") else KEY_SPECS[key_spec]


def default_algorithm(key_spec: str) -> str:
    """The algorithm for a key of ``key_spec`` where the user names none.

    It is the key's only one; for RSA ``RSASSA_PKCS1_V1_5_SHA_256``, which every tool verifies.
    """
    return algorithms_of(key_spec)[0]


def choose_algorithm(requested: str | None, key_spec: str) -> str:
    """The algorithm that a key signs or verifies with.

    Args:
        requested: what the user asked for, in AWS's or Azure's name; None for the default.
        key_spec: the key's spec, such as ``RSA_3072``.

    Returns:
        AWS's name of an algorithm that the key offers.

    Raises:
        UsageError: ``algorithm-unknown``, or ``algorithm-not-offered`` by such a key.
    """
    if requested is None:
        return default_algorithm(key_spec)
    algorithm = algorithm_named(requested)
    offered = algorithms_of(key_spec)
    wanted_spec = _AZURE[requested][1] if requested in _AZURE else None
    if algorithm not in offered or wanted_spec not in (None, key_spec):
        raise UsageError(
            "algorithm-not-offered",
            f"the algorithm {requested} does not fit a key of the spec {key_spec}",
            fix=f"this key offers {', '.join(offered)}; choose one of these, or another key",
        )
    return algorithm


def new_key_spec(requested: str | None) -> str:
    """The spec of a key to be created for an algorithm; ``ECC_NIST_P256`` for none.

    Raises:
        UsageError: ``algorithm-unknown``, or ``algorithm-not-offered`` by any key (``SHA_256``).
    """
    if requested is None:
        return "ECC_NIST_P256"
    algorithm = algorithm_named(requested)
    if requested in _AZURE and (named_spec := _AZURE[requested][1]) is not None:
        return named_spec
    if algorithm not in _NEW_KEY_SPECS:
        raise UsageError(
            "algorithm-not-offered",
            f"the algorithm {requested} needs no key, so none can be created for it",
            fix=f"choose one of {', '.join(_NEW_KEY_SPECS)}",
        )
    return _NEW_KEY_SPECS[algorithm]


def azure_name(algorithm: str, key_spec: str) -> str | None:
    """Azure's name of an algorithm for a key of ``key_spec``; None where Azure has none."""
    for name, (aws_name, named_spec) in _AZURE.items():
        if aws_name == algorithm and named_spec in (None, key_spec):
            return name
    return None
