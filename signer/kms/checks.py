"""The limits that AWS KMS sets to what an operation is given, and the errors it answers with.

Source: AWS KMS API reference, ``Sign`` (Message, MessageType), ``GenerateMac`` (Message),
``CreateAlias`` (AliasName) and ``CreateKey`` (KeySpec).
"""

import re

from signer.crypto.algorithms import ALGORITHMS, KEY_SPECS, MAX_RAW_MESSAGE, MessageType
from signer.crypto.hashers import hasher_for
from signer.crypto.keys import PublicKey
from signer.kms import errors

_ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}")


def check_spec(key_spec: str) -> None:
    """Refuse a key spec that is not known.

    Raises:
        KmsError: ``kms-validation``.
    """
    if key_spec not in KEY_SPECS:
        raise errors.validation(
            f"{key_spec!r} is not a key spec", fix=f"use one of {', '.join(KEY_SPECS)}"
        )


def check_alias(alias: str) -> None:
    """Refuse a name that no alias may be given.

    Raises:
        KmsError: ``kms-alias-invalid``.
    """
    if not _ALIAS.fullmatch(alias):
        raise errors.invalid_alias(alias, "is not the name of an alias")
    if alias.startswith("alias/aws/"):
        raise errors.invalid_alias(alias, "is reserved, as all of alias/aws/")


def check_raw(message: bytes) -> None:
    """Refuse a message that is empty or longer than `MAX_RAW_MESSAGE` bytes.

    Raises:
        KmsError: ``kms-validation``.
    """
    if not 1 <= len(message) <= MAX_RAW_MESSAGE:
        raise errors.validation(
            f"a RAW message has 1 to {MAX_RAW_MESSAGE} bytes, and this one {len(message)}",
            fix="send a digest of it, where the key takes one",
        )


def digest_of(
    public_key: PublicKey, algorithm: str, message_type: MessageType, message: bytes
) -> bytes:
    """What a key signs, from a message of any type.

    Args:
        public_key: the key's public half.
        algorithm: AWS's name of an algorithm that the key offers.
        message_type: what ``message`` is.
        message: the message, its digest, or ML-DSA's mu.

    Raises:
        KmsError: ``kms-validation``, for a type or a length that the algorithm does not take.
    """
    entry = ALGORITHMS[algorithm]
    if message_type is MessageType.RAW:
        check_raw(message)
        hasher = hasher_for(algorithm, public_key)
        hasher.update(message)
        return hasher.digest()
    if message_type is not entry.message_type:
        raise errors.validation(
            f"{algorithm} takes no message of the type {message_type}",
            fix=f"use the message type RAW or {entry.message_type}",
        )
    if len(message) != entry.digest_length:
        raise errors.validation(
            f"{algorithm} takes {message_type} of {entry.digest_length} bytes, and this one has "
            f"{len(message)}",
            fix="make it with the algorithm's own hash function",
        )
    return message
