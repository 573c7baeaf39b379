"""Microsoft Entra ID: the token endpoint, its discovery, and a managed identity's endpoint.

Sources: Microsoft identity platform, "client credentials flow" (its third case is the federated
credential) and "authentication and authorization error codes".
"""

import secrets
import time
import uuid
from dataclasses import dataclass, field

from cryptography import x509

from tests.azure_stand_in.answers import Answer, RefusedError, Request
from tests.azure_stand_in.assertions import (
    RejectedAssertionError,
    check_certificate_assertion,
    issuer_of,
)
from tests.azure_stand_in.tokens import Issuer, TokenError

GITHUB = "https://token.actions.githubusercontent.com"
AUDIENCE = "api://AzureADTokenExchange"


@dataclass
class Application:
    """An app registration: how it may sign in.

    Attributes:
        client_id: the application's id.
        secret: a client secret.
        certificates: whose keys may sign its assertions.
        issuer: of the federated credential.
        subject: of the federated credential; compared with its case.
        audience: of the federated credential.
    """

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: "-" + secrets.token_urlsafe(24))
    certificates: list[x509.Certificate] = field(default_factory=list)
    issuer: str = GITHUB
    subject: str = "repo:acme/payments:ref:refs/heads/main"
    audience: str = AUDIENCE


class Entra:
    """One tenant.

    Attributes:
        tenant: its id.
        applications: by client id.
        lifetime: of the access tokens it issues, in seconds.
    """

    def __init__(self, github: Issuer) -> None:
        self.tenant = str(uuid.uuid4())
        self.applications: dict[str, Application] = {}
        self.lifetime = 3599.0
        self._github = github
        self._issuer = Issuer("entra")

    def register(self) -> Application:
        """A new application."""
        application = Application()
        self.applications[application.client_id] = application
        return application

    def answer(self, request: Request) -> Answer:
        """Answer a request to a login host."""
        parts = request.path.strip("/").split("/")
        base = f"https://{request.host}/{parts[0]}"
        if parts[-1] == "openid-configuration":
            return Answer(
                content={
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                }
            )
        if parts == ["common", "discovery", "instance"]:
            return _instances(request)
        if parts[1:] == ["oauth2", "v2.0", "token"] and request.method == "POST":
            if parts[0] != self.tenant:
                raise _refused(90002, f"Tenant '{parts[0]}' not found.", "invalid_request")
            return self._token(request.form, f"{base}/oauth2/v2.0/token")
        return Answer(404, {"error": "not_found"})

    def managed_identity(self, request: Request, client_id: str | None) -> Answer:
        """Answer a request to the instance metadata service (IMDS)."""
        said = request.headers.get("metadata"), request.query.get("client_id", client_id)
        if client_id is None or said != ("true", client_id):
            text = "Identity not found"
            return Answer(400, {"error": "invalid_request", "error_description": text})
        resource = request.query["resource"]
        issued = self.issue(client_id, resource)
        return Answer(
            content={
                "access_token": issued,
                "client_id": client_id,
                "expires_in": str(int(self.lifetime)),
                "expires_on": str(int(time.time() + self.lifetime)),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    def issue(self, client_id: str, resource: str) -> str:
        """An access token for a resource."""
        claims = {
            "aud": resource.rstrip("/"),
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "appid": client_id,
            "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, client_id)),
            "sub": str(uuid.uuid5(uuid.NAMESPACE_URL, client_id)),
            "tid": self.tenant,
            "ver": "1.0",
        }
        return self._issuer.issue(claims, lifetime=self.lifetime)

    def caller(self, token: str, resource: str) -> dict[str, str]:
        """The claims of an access token for a resource.

        Raises:
            TokenError: not issued here, for another audience, or expired.
        """
        claims = self._issuer.claims(token)
        if claims["aud"] != resource:
            raise TokenError("audience")
        if claims["exp"] < time.time():
            raise TokenError("expired")
        return claims

    def _token(self, form: dict[str, str], endpoint: str) -> Answer:
        client_id = form.get("client_id", "")
        application = self.applications.get(client_id)
        if form.get("grant_type") != "client_credentials":
            raise _refused(70003, "The app requested an unsupported grant type.", "invalid_grant")
        if application is None:
            raise _refused(
                700016,
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{self.tenant}'.",
                "unauthorized_client",
            )
        assertion = form.get("client_assertion", "")
        if issuer_of(assertion) == client_id:
            try:
                check_certificate_assertion(
                    assertion, client_id, application.certificates, endpoint
                )
            except RejectedAssertionError as error:
                raise _refused(error.number, str(error), "invalid_client", status=401) from error
        elif assertion:
            self._check_assertion(assertion, application)
        elif not secrets.compare_digest(form.get("client_secret", ""), application.secret):
            raise _refused(
                7000215,
                f"Invalid client secret provided for app '{client_id}'.",
                "invalid_client",
                status=401,
            )
        resource = form.get("scope", "").split()[0].removesuffix("/.default")
        content = {
            "token_type": "Bearer",
            "expires_in": int(self.lifetime),
            "ext_expires_in": int(self.lifetime),
            "access_token": self.issue(client_id, resource),
        }
        return Answer(content=content)

    def _check_assertion(self, assertion: str, application: Application) -> None:
        try:
            claims = self._github.claims(assertion)
        except TokenError as error:
            text = "Client assertion failed signature validation."
            raise _refused(700027, text, "invalid_client", status=401) from error
        if claims["exp"] < time.time():
            raise _refused(
                700024,
                "Client assertion is not within its valid time range. Current time: "
                f"{_instant(time.time())}, expiry time of assertion {_instant(claims['exp'])}.",
                "invalid_client",
                status=401,
            )
        for number, name, wanted in (
            (700211, "issuer", application.issuer),
            (700212, "audience", application.audience),
            (700213, "subject", application.subject),
        ):
            shown = claims[_CLAIMS[name]]
            if shown == wanted:
                continue
            case = name == "subject" and shown.lower() == wanted.lower()
            raise _refused(
                7002138 if case else number,
                f"No matching federated identity record found for presented assertion {name} "
                f"'{shown}'. {_CASE if case else ''}Check your federated identity credential "
                "Subject, Audience and Issuer against the presented assertion.",
                "invalid_client",
                status=401,
            )


_CLAIMS = {"issuer": "iss", "audience": "aud", "subject": "sub"}
_CASE = (
    "The subject matches with case-insensitive comparison, but not with case-sensitive comparison. "
)


def _instances(request: Request) -> Answer:
    host = request.host
    endpoint = request.query.get("authorization_endpoint", "").split("/oauth2")[0]
    return Answer(
        content={
            "tenant_discovery_endpoint": f"{endpoint}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


def _refused(number: int, text: str, error: str, *, status: int = 400) -> RefusedError:
    trace, correlation = uuid.uuid4(), uuid.uuid4()
    moment = _instant(time.time())
    description = (
        f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} "
        f"Timestamp: {moment}"
    )
    content = {
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": moment,
        "trace_id": str(trace),
        "correlation_id": str(correlation),
    }
    return RefusedError(Answer(status, content))


def _instant(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
