"""``python -m tests.integration.aws.server PORT``: the corrected AWS, as a process.

Beside moto's own: every call is recorded (GET /_calls gives them, DELETE forgets them), and
faults can be ordered (POST /_faults), because moto never fails of itself; a key can be given
another date (POST /_dates). GET /_token gives a job's OIDC token, as GitHub's endpoint does,
unsigned; ``identity_center`` answers for IAM Identity Center.
"""

import base64
import io
import json
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

from tests.integration.aws import corrected_kms, corrected_sts, identity_center

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

_LOGIN = "tests.login"

CLAIMS = {
    "iss": "https://token.actions.githubusercontent.com",
    "sub": "repo:example@9876543/policies@123456789:ref:refs/heads/main",
    "repository": "example/policies",
    "repository_id": "123456789",
    "actor": "octocat",
    "actor_id": "583231",
    "workflow": "policies",
    "ref": "refs/heads/main",
    "job_workflow_ref": "example/policies/.github/workflows/p.yml@refs/heads/main",
}
"""A job's token: its ``sub`` is in the form of repositories made since July 2026."""


class Recorder:
    """WSGI: keeps what was asked, and fails where it was told to."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._calls: list[dict[str, Any]] = []
        self._faults: list[dict[str, Any]] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = io.BytesIO(body)
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/_token":
            audience = parse_qs(environ["QUERY_STRING"])["audience"][0]
            return _json(start_response, {"value": token(audience)})
        if path == "/_calls":
            with self._lock:
                known = list(self._calls)
                if method == "DELETE":
                    self._calls.clear()
                    self._faults.clear()
            return _json(start_response, known)
        if path == "/_faults":
            with self._lock:
                self._faults.append(json.loads(body))
            return _json(start_response, {})
        if path == "/_dates":
            _date(**json.loads(body))
            return _json(start_response, {})
        login = environ[_LOGIN]
        if (answered := identity_center.answer(path, login, body)) is not None:
            return _json(start_response, answered)
        operation, parameters = _asked(environ, body)
        if operation is None:
            return self._app(environ, start_response)
        arn, aliases = _key(operation, parameters, environ)
        call = {
            "action": operation,
            "parameters": parameters,
            "key": arn,
            "aliases": aliases,
            "access_key": _scope(environ)[0],
        }
        with self._lock:
            self._calls.append(call)
            fault = self._next_fault(operation)
        if fault is not None:
            return _fail(environ, start_response, fault)
        return self._app(environ, start_response)

    def _app(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._inner(environ, start_response)
        return answer

    def _next_fault(self, operation: str) -> dict[str, Any] | None:
        for fault in self._faults:
            if fault["operation"] == operation and fault["times"] > 0:
                fault["times"] -= 1
                return fault
        return None


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc]
    def make_environ(self) -> Environ:
        """As werkzeug has it, which drops headers with ``_`` in their names."""
        environ: Environ = super().make_environ()
        return {**environ, _LOGIN: self.headers.get("x-amz-sso_bearer_token", "")}


def token(audience: str, **claims: str) -> str:
    """A job's token for an audience; the signature is nobody's."""
    parts = ({"alg": "RS256", "typ": "JWT"}, {**CLAIMS, "aud": audience, **claims}, "signature")
    encoded = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    ]
    return ".".join(encoded)


def _asked(environ: Environ, body: bytes) -> tuple[str | None, dict[str, Any]]:
    """The operation, such as ``kms:Sign``, and its parameters."""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        service, _, name = target.partition(".")
        prefix = "kms" if service == "TrentService" else service
        return f"{prefix}:{name}", json.loads(body or b"{}")
    if "form" in environ.get("CONTENT_TYPE", ""):
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        service = _scope(environ)[2] or "sts"
        return f"{service}:{form.pop('Action', '?')}", form
    return None, {}


def _scope(environ: Environ) -> tuple[str, str, str]:
    """Access key, region and service of a signed request."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    if "Credential=" not in header:
        return "", "", ""
    key, _, region, service, _ = header.split("Credential=")[1].split(",")[0].split("/")
    return key, region, service


def _date(key: str, created: float) -> None:
    _, _, _, region, account, _ = key.split(":", 5)
    corrected_kms.resolve(account, region, key).creation_date = created


def _key(operation: str, parameters: dict[str, Any], environ: Environ) -> tuple[str, list[str]]:
    """The ARN and the aliases of the key that a call is about; empty where there is none."""
    if not operation.startswith("kms:") or "KeyId" not in parameters:
        return "", []
    try:
        key = corrected_kms.resolve("123456789012", _scope(environ)[1], parameters["KeyId"])
    except corrected_kms.KmsRefusal:
        return "", []
    return str(key.arn), sorted(key.aliases)


def _fail(
    environ: Environ, start_response: StartResponse, fault: dict[str, Any]
) -> Iterable[bytes]:
    """An error, or no answer: the connection is closed, ``hangs`` only after a long time."""
    if fault["code"] not in ("hangs", "closes"):
        return _refuse(start_response, fault)
    if fault["code"] == "hangs":
        time.sleep(60)  # longer than any client waits
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return []


def _refuse(start_response: StartResponse, fault: dict[str, Any]) -> Iterable[bytes]:
    """An error in the API's own form: JSON 1.1 for KMS, Query XML for STS."""
    request_id = str(uuid.uuid4())
    headers = [("x-amzn-RequestId", request_id)]
    status = f"{fault.get('status', 400)} Fault"
    code, message = fault["code"], fault.get("message", "")
    if fault["operation"].startswith("sts:"):
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
            f"<Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        headers.append(("Content-Type", "text/xml"))
    else:
        text = json.dumps({"__type": code, "message": message})
        headers.append(("Content-Type", "application/x-amz-json-1.1"))
    start_response(status, [*headers, ("Content-Length", str(len(text)))])
    return [text.encode()]


def _json(start_response: StartResponse, value: Any) -> Iterable[bytes]:
    text = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [text]


def main() -> None:
    """Serve until killed."""
    corrected_kms.apply()
    corrected_sts.apply()
    app = Recorder(DomainDispatcherApplication(create_backend_app))
    run_simple(
        "127.0.0.1",
        int(sys.argv[1]),
        app,
        threaded=True,
        request_handler=_RequestHandler,
    )


if __name__ == "__main__":
    main()
