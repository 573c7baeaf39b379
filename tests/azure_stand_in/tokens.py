"""JSON Web Tokens (RFC 7519), signed with RS256 and checked: GitHub's and Entra's."""

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


class TokenError(Exception):
    """A token that is not accepted; the message says why."""


class Issuer:
    """Who signs tokens, with a key of its own."""

    def __init__(self, name: str) -> None:
        self._key = _key_of(name)

    def issue(self, claims: dict[str, Any], *, lifetime: float) -> str:
        """A token with ``iat``, ``nbf`` and ``exp``; ``lifetime`` in seconds."""
        now = int(time.time())
        times = {"iat": now, "nbf": now - 60, "exp": int(now + lifetime)}
        header = encode_json({"typ": "JWT", "alg": "RS256"})
        signed = f"{header}.{encode_json({**times, **claims})}"
        return f"{signed}.{encode(self._key.sign(signed.encode(), *_SCHEME))}"

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that this issuer signed; times are not checked.

        Raises:
            TokenError: malformed, or signed by another.
        """
        try:
            signed, _, signature = token.rpartition(".")
            self._key.public_key().verify(decode(signature), signed.encode(), *_SCHEME)
            claims: dict[str, Any] = json.loads(decode(signed.split(".")[1]))
        except (InvalidSignature, ValueError, IndexError) as error:
            raise TokenError("signature") from error
        return claims


@cache
def _key_of(_name: str) -> rsa.RSAPrivateKey:
    """One key for each issuer and process: making them takes longer than the tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


_SCHEME = (padding.PKCS1v15(), hashes.SHA256())


def encode(data: bytes) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of unpadded base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_json(value: dict[str, Any]) -> str:
    """A JSON object as base64url."""
    return encode(json.dumps(value).encode())
