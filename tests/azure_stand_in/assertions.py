"""Client assertions that an application signs itself, with the key of a registered certificate.

Sources: Microsoft identity platform, "Application authentication certificate credentials"; RFC
7523, section 3; RFC 7515, sections 4.1.7 and 4.1.8 (``x5t``, ``x5t#S256``).
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.azure_stand_in.tokens import TokenError, decode, encode

_THUMBPRINTS: dict[str, hashes.HashAlgorithm] = {
    "x5t": hashes.SHA1(),
    "x5t#S256": hashes.SHA256(),
}
_SCHEMES: dict[str, padding.AsymmetricPadding] = {
    "RS256": padding.PKCS1v15(),
    "PS256": padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32),
}


class RejectedAssertionError(TokenError):
    """An assertion that Entra does not take.

    Attributes:
        number: of the AADSTS error.
    """

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


def issuer_of(assertion: str) -> str:
    """Who says to have made an assertion; empty where that cannot be read. Nothing is checked."""
    try:
        return str(json.loads(decode(assertion.split(".")[1]))["iss"])
    except (ValueError, IndexError, KeyError, TypeError):
        return ""


def check_certificate_assertion(
    assertion: str, client_id: str, certificates: Sequence[x509.Certificate], audience: str
) -> None:
    """Check an assertion's signature against the certificate that it names, and its claims.

    Args:
        assertion: a JSON Web Token.
        client_id: the application's.
        certificates: those that are registered on the application.
        audience: the token endpoint's URL.

    Raises:
        RejectedAssertionError: it is not accepted.
    """
    signed, _, signature = assertion.rpartition(".")
    header, claims = (json.loads(decode(part)) for part in signed.split("."))
    certificate = _named(header, certificates)
    if certificate is None:
        raise RejectedAssertionError(
            700027,
            "The certificate with identifier used to sign the client assertion is not registered "
            "on application. [Reason - The key was not found.]",
        )
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or header.get("alg") not in _SCHEMES:
        raise RejectedAssertionError(5002738, "Invalid JWT token. Unsupported algorithm.")
    try:
        key.verify(decode(signature), signed.encode(), _SCHEMES[header["alg"]], hashes.SHA256())
    except InvalidSignature as error:
        text = "Client assertion failed signature validation."
        raise RejectedAssertionError(700027, text) from error
    if claims["sub"] != client_id:
        text = "Client assertion application identifier doesn't match 'client_id' parameter."
        raise RejectedAssertionError(700021, text)
    if claims["aud"] != audience:
        text = "Client assertion audience claim does not match Realm issuer."
        raise RejectedAssertionError(700023, text)
    if not claims.get("nbf", 0) - 300 <= time.time() < claims["exp"]:
        raise RejectedAssertionError(700024, "Client assertion is not within its valid time range.")


def _named(
    header: dict[str, Any], certificates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    # Entra takes them with base64's padding, as MSAL writes them, and without.
    named = {name: header[name].rstrip("=") for name in _THUMBPRINTS if name in header}
    for certificate in certificates:
        held = {name: encode(certificate.fingerprint(_THUMBPRINTS[name])) for name in named}
        if named and named == held:
            return certificate
    return None
