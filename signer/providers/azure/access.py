"""Who signs in to Azure, and what to say where that fails.

The job's OIDC token (``api://AzureADTokenExchange``) is asked for at the moment it is exchanged,
because it lives for minutes, and is kept in memory only.
Source: Microsoft Learn, "Workload identity federation" and "Configure an app to trust GitHub".
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from signer.errors import ProviderError
from signer.jwt import unverified_claims
from signer.providers.azure.cloud import Cloud
from signer.providers.azure.failures import one_line
from signer.providers.host import Host

AUDIENCE = "api://AzureADTokenExchange"
"""The ``aud`` of a token that Entra takes for a federated credential."""

_ID = re.compile(r"AADSTS\d+")
_REMEDIES = {
    "AADSTS7000215": "renew the client secret (AZURE_CLIENT_SECRET holds its value, not its id).",
    "AADSTS7000222": "the client secret expired: make a new one, or use a federated credential.",
    "AADSTS700016": "check azure-client-id (the application's client id, not its object id) and "
    "azure-tenant-id.",
    "AADSTS90002": "check azure-tenant-id, and AZURE_AUTHORITY_HOST in a sovereign cloud.",
    "AADSTS900023": "check azure-tenant-id: it is no tenant's id or domain.",
    "AADSTS700024": "check the runner's clock: the token was made just now.",
}
_CERTIFICATE = (
    "register the certificate with the application, and check that AZURE_CLIENT_CERTIFICATE_PATH "
    "names a PEM file that holds it and its private key (docs/azure.md)."
)
_NOT_VISIBLE = (
    "in a workflow set azure-tenant-id and azure-client-id, and `permissions: id-token: write` "
    "on the job; what azure/login signed in is not visible inside a Docker action (docs/azure.md)."
)


class Way(StrEnum):
    """The ways to sign in, in the order in which they are considered."""

    FEDERATED = "this job's OIDC token"
    SECRET = "a client secret"
    CERTIFICATE = "a client certificate"
    WORKLOAD = "workload identity"
    MANAGED = "the managed identity"


@dataclass(frozen=True, slots=True)
class Choice:
    """How to sign in here.

    Attributes:
        way: the one way that is set up; a managed identity where none is.
        tenant: the tenant's id; may be empty for a managed identity.
        client: the application's client id; may be empty for a managed identity.
        passed_over: the ways before it, each with the reason.
    """

    way: Way
    tenant: str
    client: str
    passed_over: tuple[str, ...]

    @property
    def name(self) -> str:
        """For the log."""
        return f"{self.way} (client {self.client})" if self.client else str(self.way)


@dataclass(frozen=True, slots=True)
class Access:
    """How to get at Azure.

    Attributes:
        cloud: which of Azure's clouds.
        tenant_id: what the user said.
        client_id: what the user said.
        timeout: seconds for one answer of the service, retries included.
        host: the process around.
    """

    cloud: Cloud
    tenant_id: str | None
    client_id: str | None
    timeout: float
    host: Host

    def choose(self) -> Choice:
        """How to sign in: decided by what is set, never by what happens to succeed.

        What the settings name comes before azure-identity's own variables.
        """
        environ = self.host.environ
        tenant = self.tenant_id or environ.get("AZURE_TENANT_ID", "")
        client = self.client_id or environ.get("AZURE_CLIENT_ID", "")
        passed_over: list[str] = []
        if not self.tenant_id or not self.client_id:
            passed_over.append("azure-tenant-id and azure-client-id are not both set")
        elif not self.host.offers_identity_token:
            passed_over.append("this job offers no OIDC token")
        else:
            return Choice(Way.FEDERATED, tenant, client, ())
        for way, variable in (
            (Way.SECRET, "AZURE_CLIENT_SECRET"),
            (Way.CERTIFICATE, "AZURE_CLIENT_CERTIFICATE_PATH"),
            (Way.WORKLOAD, "AZURE_FEDERATED_TOKEN_FILE"),
        ):
            if tenant and client and environ.get(variable):
                return Choice(way, tenant, client, tuple(passed_over))
            missing = variable if not environ.get(variable) else "the tenant or client id"
            passed_over.append(f"{way}: {missing} is not set")
        return Choice(Way.MANAGED, tenant, client, tuple(passed_over))

    def assertion(self) -> str:
        """A new OIDC token of this job, for Entra.

        Raises:
            ProviderError: ``oidc-not-offered`` or ``oidc-failed``.
        """
        token = self.host.identity_token(AUDIENCE)
        self.host.mask(token)
        return token


def sign_in_failed(choice: Choice, detail: str, assertion: str = "") -> ProviderError:
    """The error for a sign-in that was refused.

    Args:
        choice: how it was tried.
        detail: what Entra answered.
        assertion: the OIDC token that was shown, if one was.
    """
    said = one_line(detail)
    found = _ID.search(said)
    number = found[0] if found else ""
    remedy = _REMEDIES.get(number)
    if assertion and number and remedy is None:
        claims = unverified_claims(assertion)
        sub, iss, aud = (claims.get(name) for name in ("sub", "iss", "aud"))
        return ProviderError(
            "azure-assertion-rejected",
            f"Entra rejects this job's OIDC token for the application {choice.client} in the "
            f"tenant {choice.tenant}; the token has subject {sub!r}, issuer {iss!r}, "
            f"audience {aud!r} ({said})",
            fix=f"the application's federated credential must hold exactly (case matters) subject "
            f"{sub}, issuer {iss}, audience {aud}; see docs/azure.md.",
        )
    usual = "check tenant, client and credential (docs/azure.md)."
    if choice.way is Way.CERTIFICATE:
        usual = _CERTIFICATE
    return ProviderError(
        "azure-sign-in-failed",
        f"signing in to Azure with {choice.name} failed ({said})",
        fix=remedy or usual,
    )


def not_signed_in(choice: Choice, detail: str) -> ProviderError:
    """The error for a place where no way of signing in works.

    Args:
        choice: what was tried in the end, and what was passed over.
        detail: why it did not work.
    """
    tried = "; ".join([*choice.passed_over, f"{choice.way}: {one_line(detail)}"])
    return ProviderError(
        "azure-not-signed-in",
        f"there is no way to sign in to Azure here: {tried}",
        fix=_NOT_VISIBLE,
    )
