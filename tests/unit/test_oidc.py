"""GitHub's OIDC token, from a server that answers as GitHub's does, or worse."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from signer.errors import ProviderError
from signer.github.oidc import request_token, token_offered
from signer.jwt import unverified_claims

BEARER = "the-request-token"


def _token(claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


class _Server(HTTPServer):
    status = 200
    answer = b""
    seen: list[tuple[str, str | None]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Authorization"]))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _environ(server: _Server, query: str = "?api-version=2") -> dict[str, str]:
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{server.server_port}/token{query}",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER,
    }


def test_the_token_is_asked_for_with_its_audience(server: _Server) -> None:
    token = _token({"sub": "repo:acme/pay"})
    server.answer = json.dumps({"value": token}).encode()
    assert request_token(_environ(server), "api://a b&c") == token
    assert request_token(_environ(server, ""), "x") == token
    assert server.seen == [
        ("/token?api-version=2&audience=api%3A%2F%2Fa%20b%26c", f"Bearer {BEARER}"),
        ("/token?audience=x", f"Bearer {BEARER}"),
    ]
    assert unverified_claims(token) == {"sub": "repo:acme/pay"}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (302, b""),
        (401, b"{}"),
        (500, b""),
        (200, b""),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"value":null}'),
        (200, b'{"value":"no-token"}'),
        (200, b"\xff"),
        (200, b'{"value":"' + b"x" * 100_000),
    ],
)
def test_any_other_answer_is_an_error(server: _Server, status: int, answer: bytes) -> None:
    server.status, server.answer = status, answer
    with pytest.raises(ProviderError) as caught:
        request_token(_environ(server), "x")
    assert (caught.value.code, caught.value.exit_code) == ("oidc-failed", 3)
    assert BEARER not in caught.value.message
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/token",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://127.0.0.1.example.com:80/x",
        "http://localhost.example.com:80/x",
        "http://127.0.0.1:x@example.com/token",
        "http://localhost:80@example.com/token",
    ],
)
def test_the_request_token_is_never_sent_in_the_clear(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_request(*_: object, **__: object) -> None:
        raise AssertionError("a request was made")

    monkeypatch.setattr("urllib.request.OpenerDirector.open", no_request)
    environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": BEARER}
    with pytest.raises(ProviderError) as caught:
        request_token(environ, "x")
    assert caught.value.code == "oidc-failed"


@pytest.mark.parametrize("missing", ["URL", "TOKEN"])
def test_a_job_without_the_permission_is_told_so(server: _Server, missing: str) -> None:
    environ = _environ(server)
    del environ[f"ACTIONS_ID_TOKEN_REQUEST_{missing}"]
    assert not token_offered(environ)
    with pytest.raises(ProviderError, match="no OIDC token") as caught:
        request_token(environ, "x")
    assert "id-token: write" in caught.value.fix


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.!!.c", _token([1]), "a.\xff.c", "a..c"])
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert unverified_claims(token) == {}
