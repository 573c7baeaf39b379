"""The signed audit: a Sigstore bundle v0.3 in JSON with a public-key hint.

Source: sigstore/protobuf-specs, sigstore_bundle.proto (Bundle, VerificationMaterial) and
sigstore_common.proto (MessageSignature), in the JSON mapping of Protocol Buffers.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from signer.envelope import strict_json
from signer.envelope.dsse import Envelope
from signer.errors import VerificationError

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
MAX_BUNDLE_BYTES = 1 << 20

_ORIGINAL = "get the original from where it was signed."


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over an artifact's own bytes.

    Attributes:
        signature: the signature, decoded.
        sha256: the artifact's SHA-256 as the bundle tells it (a hint, not proof); 32 bytes.
    """

    signature: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A parsed bundle. Nothing in it is verified.

    Attributes:
        hint: the public key's hint, or None where the bundle has a certificate instead.
        content: the envelope or the message signature.
    """

    hint: str | None
    content: Envelope | MessageSignature


def encode(envelope: Envelope, hint: str) -> bytes:
    """The bundle's bytes: indented JSON that ends with a newline."""
    fields = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}},
        "dsseEnvelope": {
            "payload": _b64(envelope.payload),
            "payloadType": envelope.payload_type,
            "signatures": [{"sig": _b64(envelope.signature), "keyid": envelope.keyid}],
        },
    }
    return (json.dumps(fields, indent=2) + "\n").encode()


def decode(text: bytes) -> Bundle:
    """Parse a bundle from strangers.

    Raises:
        VerificationError: with the reason ``bundle-too-large``, ``malformed-json``,
            ``trailing-data``, ``duplicate-field``, ``unknown-media-type``,
            ``malformed-bundle``, ``malformed-base64`` or ``signature-count``.
    """
    if len(text) > MAX_BUNDLE_BYTES:
        raise VerificationError(
            "bundle-too-large",
            f"the bundle has more than {MAX_BUNDLE_BYTES} bytes",
            fix="check that this is a signed audit (NAME.sigstore.json), not the audit file.",
        )
    fields = strict_json.loads(text, what="the bundle")
    if not isinstance(fields, dict):
        raise _malformed("it is not a JSON object")
    media_type = fields.get("mediaType")
    if media_type != MEDIA_TYPE:
        raise VerificationError(
            "unknown-media-type",
            f"the bundle's mediaType is {str(media_type)[:80]!r}, not {MEDIA_TYPE!r}",
            fix="verify a Sigstore bundle of version 0.3 (NAME.sigstore.json).",
        )
    hint = _hint(_object(fields, "verificationMaterial"))
    has_envelope, has_message = "dsseEnvelope" in fields, "messageSignature" in fields
    if has_envelope and has_message:
        raise _malformed("it has both a dsseEnvelope and a messageSignature")
    if has_envelope:
        return Bundle(hint, _envelope(_object(fields, "dsseEnvelope")))
    if has_message:
        return Bundle(hint, _message_signature(_object(fields, "messageSignature")))
    raise _malformed("it has neither a dsseEnvelope nor a messageSignature")


def _hint(material: dict[str, Any]) -> str | None:
    if "publicKey" not in material:
        return None
    hint = _object(material, "publicKey").get("hint", "")
    if not isinstance(hint, str):
        raise _malformed("publicKey.hint is not text")
    return hint


def _envelope(fields: dict[str, Any]) -> Envelope:
    signatures = fields.get("signatures")
    if not isinstance(signatures, list) or not all(isinstance(s, dict) for s in signatures):
        raise _malformed("dsseEnvelope.signatures is not a list of objects")
    if len(signatures) != 1:
        raise VerificationError(
            "signature-count",
            f"the envelope has {len(signatures)} signatures; it must have exactly one",
            fix=_ORIGINAL,
        )
    payload_type = _text(fields, "payloadType")
    keyid = signatures[0].get("keyid", "")
    if not isinstance(keyid, str):
        raise _malformed("dsseEnvelope.signatures[0].keyid is not text")
    return Envelope(
        payload=_unb64(fields, "payload"),
        payload_type=payload_type,
        signature=_unb64(signatures[0], "sig"),
        keyid=keyid,
    )


def _message_signature(fields: dict[str, Any]) -> MessageSignature:
    digest = _object(fields, "messageDigest")
    if digest.get("algorithm") != "SHA2_256":
        raise _malformed("messageDigest.algorithm is not SHA2_256")
    return MessageSignature(signature=_unb64(fields, "signature"), sha256=_unb64(digest, "digest"))


def _object(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise _malformed(f"{name} is missing or not an object")
    return value


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise _malformed(f"{name} is missing or not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _malformed(f"{name} has half of a surrogate pair") from None
    return value


def _malformed(detail: str) -> VerificationError:
    return VerificationError(
        "malformed-bundle", f"this is not a Sigstore bundle: {detail}", fix=_ORIGINAL
    )


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _unb64(fields: dict[str, Any], name: str) -> bytes:
    text = _text(fields, name)
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    # One spelling only: no missing padding, no stray bits in the last digit.
    if not value or _b64(value) != text:
        raise VerificationError(
            "malformed-base64", f"the bundle's field {name} is not padded base64", fix=_ORIGINAL
        )
    return value
