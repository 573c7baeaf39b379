"""DSSE v1: the envelope round a statement.

Source: https://github.com/secure-systems-lab/dsse, protocol.md and envelope.md.
"""

from dataclasses import dataclass

PAYLOAD_TYPE = "application/vnd.in-toto+json"

# What every pre-authentication encoding starts with. A file that starts so is never signed as
# it is: its plain signature would be a valid signature over a statement of its author's choice.
PAE_PREFIX = b"DSSEv1 "


@dataclass(frozen=True, slots=True)
class Envelope:
    """An envelope with exactly one signature.

    Attributes:
        payload: the signed bytes, decoded.
        payload_type: the media type of the payload.
        signature: the signature over ``pae(payload_type, payload)``, decoded.
        keyid: an unauthenticated hint at the key.
    """

    payload: bytes
    payload_type: str
    signature: bytes
    keyid: str


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what is signed (protocol.md, "Signature Definition").

    Args:
        payload_type: a media type; its length counts in UTF-8 bytes.
        payload: any bytes.
    """
    kind = payload_type.encode()
    return PAE_PREFIX + b"%d %b %d %b" % (len(kind), kind, len(payload), payload)
