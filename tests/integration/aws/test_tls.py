"""An endpoint whose certificate nobody knows: a real server, met through both ways of calling."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.azure_stand_in.certificates import issue
from tests.integration.aws.cloud import Cloud, Ended

REFUSAL = json.dumps({"__type": "NotFoundException", "message": "Alias is not found."}).encode()


class _Kms(BaseHTTPRequestHandler):
    """Answers every request with the same error of KMS."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(REFUSAL)))
        self.end_headers()
        self.wfile.write(REFUSAL)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up, as those do that do not know the authority."""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Its URL, and the authority that vouches for it."""
    made = issue(tmp_path, ["localhost"])
    with _Server(("127.0.0.1", 0), _Kms) as server:
        # Each connection's own thread shakes hands, so that one that breaks off stops no other.
        server.socket = made.context().wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_address[1]}", made.authority
        server.shutdown()
        thread.join()


def _sign(cloud: Cloud, audit: Path, provider: str, **changes: str) -> Ended:
    options = ["--provider", provider, "--aws-kms-key", "alias/x"]
    return cloud.sign(audit, *options, environ={**cloud.environ, **changes})


def test_an_unknown_authority_has_a_remedy_of_its_own(
    cloud: Cloud, audit: Path, provider: str, endpoint: tuple[str, Path]
) -> None:
    url, authority = endpoint
    done = _sign(cloud, audit, provider, AWS_ENDPOINT_URL=url)
    assert (done.code, done.error) == (3, "aws-tls"), done.err
    assert "fix: the endpoint's certificate is not trusted" in done.err
    assert "AWS_CA_BUNDLE" in done.err
    assert "retry" not in done.err  # it stays
    done = _sign(cloud, audit, provider, AWS_ENDPOINT_URL=url, AWS_CA_BUNDLE=str(authority))
    assert (done.code, done.error) == (3, "aws-key-not-found"), done.err
