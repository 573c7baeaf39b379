"""What the reader is held against: as plain as it can be, with everything in memory."""

from hashlib import sha256


def tree_hash(events: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not events:
        return sha256(b"").digest()
    if len(events) == 1:
        return sha256(b"\x00" + events[0]).digest()
    k = 1
    while k * 2 < len(events):
        k *= 2
    return sha256(b"\x01" + tree_hash(events[:k]) + tree_hash(events[k:])).digest()


def line_events(content: bytes) -> list[bytes]:
    """The events of a JSON Lines file."""
    return [line for line in (line.removesuffix(b"\r") for line in content.split(b"\n")) if line]
