"""What a token says of itself (RFC 7519, section 3). Nothing of it is checked here."""

import base64
import json
from typing import Any


def unverified_claims(token: str) -> dict[str, Any]:
    """A JWT's claims, for an error message; empty where they cannot be read."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}
