"""The stand-in's door: an HTTP proxy that answers for Azure's hosts itself, over TLS.

Programs reach it through ``HTTPS_PROXY`` and trust it through ``REQUESTS_CA_BUNDLE``, so that
they speak to the real names (``NAME.vault.azure.net``) and nothing in them is replaced.
"""

import fnmatch
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from tests.azure_stand_in import arm, vault
from tests.azure_stand_in.answers import Answer, RefusedError, Request
from tests.azure_stand_in.certificates import issue
from tests.azure_stand_in.entra import GITHUB, Application, Entra
from tests.azure_stand_in.keys import Vault
from tests.azure_stand_in.tokens import Issuer

LOGINS = ("login.microsoftonline.com", "login.stand-in.example")
ARMS = ("management.azure.com", "arm.stand-in.example")
SUFFIXES = ("vault.azure.net", "managedhsm.azure.net", "vault.stand-in.example")
GITHUB_TOKENS = "/github/token"


@dataclass
class Fault:
    """An answer to give instead, a number of times.

    Attributes:
        pattern: of ``METHOD HOST/PATH``, with ``*`` and ``?``.
        answer: what to answer.
        times: how often.
    """

    pattern: str
    answer: Answer
    times: int = 1


class StandIn:
    """Key Vault, Entra, ARM discovery and a runner's token endpoint, in one process.

    Attributes:
        entra: the tenant.
        vaults: by host name.
        faults: what goes wrong next; used up in order.
        log: every request, as ``METHOD HOST/PATH``.
        subject: the ``sub`` of the tokens that the job is offered.
        token_lifetime: of those tokens, in seconds; GitHub's live for five minutes.
        managed_identity: the client id of the machine's own identity, if it has one.
    """

    def __init__(self) -> None:
        self.github = Issuer("github")
        self.entra = Entra(self.github)
        self.vaults: dict[str, Vault] = {}
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.subject = Application.subject
        self.token_lifetime = 300.0
        self.managed_identity: str | None = None
        self.port = 0
        self.authority = Path()

    def add_vault(self, name: str, suffix: str = SUFFIXES[0]) -> Vault:
        """A new vault in the tenant."""
        made = Vault(host=f"{name}.{suffix}", tenant=self.entra.tenant)
        self.vaults[made.host] = made
        return made

    def github_token(self, audience: str) -> str:
        """A job's OIDC token."""
        claims = {"iss": GITHUB, "sub": self.subject, "aud": audience, "jti": str(uuid.uuid4())}
        return self.github.issue(claims, lifetime=self.token_lifetime)

    def environment(self) -> dict[str, str]:
        """What a program needs to reach the stand-in and to trust it."""
        proxy = f"http://127.0.0.1:{self.port}"
        return {
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(self.authority),
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": proxy,
        }

    def job(self) -> dict[str, str]:
        """What a job with ``id-token: write`` has beside it."""
        url = f"http://127.0.0.1:{self.port}{GITHUB_TOKENS}?api-version=2.0"
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-job-s-own-request-token",
        }

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        line = f"{request.method} {request.host}{request.path}"
        self.log.append(line)
        for fault in self.faults:
            # Faults are of the service, not of its 401 challenge to a first request.
            challenge = request.host in self.vaults and "authorization" not in request.headers
            if not challenge and fault.times and fnmatch.fnmatch(line, fault.pattern):
                fault.times -= 1
                return fault.answer
        try:
            return self._route(request)
        except RefusedError as refusal:
            return refusal.answer

    def _route(self, request: Request) -> Answer:
        if request.host in self.vaults:
            return vault.answer(request, self.vaults[request.host], self.entra)
        if request.host in LOGINS:
            return self.entra.answer(request)
        if request.host in ARMS:
            return arm.answer(request, self.entra.tenant)
        if request.path == GITHUB_TOKENS:
            return Answer(content={"value": self.github_token(request.query["audience"])})
        if request.path == "/metadata/identity/oauth2/token":
            return self.entra.managed_identity(request, self.managed_identity)
        return Answer(404, {"error": "not_found"})

    def reaches(self, host: str) -> bool:
        """Whether a host exists: a vault's name is in DNS only while there is the vault."""
        return host in self.vaults or host in LOGINS or host in ARMS


@contextmanager
def running(directory: Path, port: int = 0) -> Iterator[StandIn]:
    """A stand-in on 127.0.0.1, with its certificates in a directory."""
    stand_in = StandIn()
    names = [*LOGINS, *ARMS, *(f"*.{suffix}" for suffix in SUFFIXES)]
    certificates = issue(directory, names)
    stand_in.authority = certificates.authority
    context = certificates.context()

    class Handler(_Handler):
        owner = stand_in
        tls = context

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    stand_in.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    owner: ClassVar[StandIn]
    tls: ClassVar[ssl.SSLContext]

    def setup(self) -> None:
        super().setup()
        self.host = "127.0.0.1"

    def do_CONNECT(self) -> None:
        host = self.path.partition(":")[0].lower()
        if not self.owner.reaches(host):
            self.send_error(502, "No such host")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        self.host = host
        try:
            self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        except OSError:  # the client does not trust this certificate
            self.close_connection = True
            return
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.host, self.path, headers, self.rfile.read(length))
        answer = self.owner.answer(request)
        if answer.cut:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(answer.body)),
            "x-ms-request-id": str(uuid.uuid4()),
            **answer.headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def do_POST(self) -> None:
        self.do_GET()

    def finish(self) -> None:
        try:
            super().finish()
            self.connection.close()
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass
