"""An OIDC issuer as a test tool: GitHub's request protocol, discovery and JWKS over TLS."""

import json
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

BEARER = "bearer-of-this-very-job"
CLAIMS = {
    "repository": "acme/payments",
    "repository_id": "123",
    "repository_owner_id": "7",
    "repository_visibility": "private",
    "ref": "refs/heads/main",
    "ref_protected": "true",
    "event_name": "push",
    "runner_environment": "github-hosted",
    "run_id": "42",
    "run_attempt": "1",
    "sha": "a" * 40,
}


class Issuer:
    """One issuer; its fields may be changed while it runs.

    Attributes:
        claims: what tokens say.
        forge: makes the token instead, from audience and this issuer.
        jwks: what is answered instead of the keys: bytes.
        delay: seconds before the keys are answered.
        about: what discovery says, where it is not the truth.
        evil: the keys at ``/evil``, which no client should ask for.
        asked: every path that was asked for.
    """

    def __init__(self, directory: Path) -> None:
        self.claims: dict[str, Any] = dict(CLAIMS)
        self.forge: Any = None
        self.jwks: bytes | None = None
        self.delay = 0.0
        self.about: dict[str, str] = {}
        self.evil: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.fetched = 0
        self.rotate()
        self.authority, chain = _certificate(directory)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish only that."""
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = f"key-{time.monotonic_ns()}"

    def environ(self) -> dict[str, str]:
        """What a job with ``id-token: write`` has."""
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
        }

    def payload(self, audience: str, **changes: Any) -> dict[str, Any]:
        """The claims of a token."""
        now = int(time.time())
        times = {"iat": now, "nbf": now - 5, "exp": now + 300}
        return {"iss": self.url, "aud": audience, **times, **self.claims, **changes}

    def token(self, audience: str, **changes: Any) -> str:
        """A token that is truly signed."""
        payload = self.payload(audience, **changes)
        return jwt.encode(payload, self.key, algorithm="RS256", headers={"kid": self.kid})

    def jwk(self) -> dict[str, Any]:
        """The public key."""
        key: dict[str, Any] = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**key, "kid": self.kid, "use": "sig", "alg": "RS256"}

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            issuer.asked.append(url.path)
            if url.path == "/token":
                if self.headers["Authorization"] != f"Bearer {BEARER}":
                    self.send_error(401)
                    return
                [audience] = parse_qs(url.query)["audience"]
                make = issuer.forge or (lambda audience, issuer: issuer.token(audience))
                self._answer(json.dumps({"value": make(audience, issuer)}).encode())
            elif url.path == "/.well-known/openid-configuration":
                about = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/.well-known/jwks"}
                self._answer(json.dumps(about | issuer.about).encode())
            elif url.path == "/moved":
                self.send_response(302)
                self.send_header("Location", f"{issuer.url}/.well-known/jwks")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif url.path == "/evil":
                self._answer(json.dumps({"keys": issuer.evil}).encode())
            else:
                issuer.fetched += 1
                time.sleep(issuer.delay)
                self._answer(
                    issuer.jwks
                    if issuer.jwks is not None
                    else json.dumps({"keys": [issuer.jwk()]}).encode()
                )

        def _answer(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content)
            except OSError:
                return

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


def _certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, chain = directory / "ca.pem", directory / "chain.pem"
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    authority.write_bytes(pem)
    chain.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem
    )
    return authority, chain
