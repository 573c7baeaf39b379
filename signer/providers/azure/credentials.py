"""The one credential of azure-identity that fits the place, and nothing else of its chain.

Which one is decided by what is set, in this order: the job's own token (federated credential),
a client secret or certificate, workload identity, managed identity. A credential that is set
and refused is an error, never a reason to try the next one.
Source: azure-identity, "Environment variables".
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from signer.providers.azure.access import Access, Way, not_signed_in, sign_in_failed
from signer.providers.azure.failures import PASSING

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential

_SECONDS_TO_CONNECT = 5


class Credential:
    """A TokenCredential that tells which way it signed in, and fails with our own errors."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._choice = access.choose()
        self._assertion = ""
        self._told = False
        self._credential: TokenCredential | None = None

    def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        """An access token; the SDK asks for it, and keeps it in memory.

        Raises:
            ProviderError: ``azure-assertion-rejected``, ``azure-sign-in-failed``,
                ``azure-not-signed-in``.
        """
        from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
        from azure.identity import CredentialUnavailableError

        if self._credential is None:
            self._credential = self._make()
        try:
            token = self._credential.get_token(*scopes, **options)
        except CredentialUnavailableError as error:
            raise not_signed_in(self._choice, str(error.message)) from error
        except ClientAuthenticationError as error:
            # A service that is busy or down is asked again, by whoever asked us.
            answer = error.response
            if answer is not None and answer.status_code in PASSING:
                raise HttpResponseError(message=str(error), response=answer) from error
            if self._choice.way is Way.MANAGED:
                raise not_signed_in(self._choice, _alone(str(error.message))) from error
            raise sign_in_failed(self._choice, str(error.message), self._assertion) from error
        if not self._told:
            self._access.host.notify(f"signed in to Azure with {self._choice.name}")
            self._told = True
        return token

    def _make(self) -> "TokenCredential":
        makers: Mapping[Way, Callable[[], TokenCredential]] = {
            Way.FEDERATED: self._federated,
            Way.SECRET: self._secret,
            Way.CERTIFICATE: self._certificate,
            Way.WORKLOAD: self._workload,
            Way.MANAGED: self._managed,
        }
        try:
            return makers[self._choice.way]()
        except (ValueError, OSError) as error:  # a certificate that cannot be read, for instance
            raise sign_in_failed(self._choice, str(error)) from error

    def _federated(self) -> "TokenCredential":
        from azure.identity import ClientAssertionCredential

        tenant, client = self._who()
        return ClientAssertionCredential(tenant, client, self._new_assertion, **self._options())

    def _new_assertion(self) -> str:
        self._assertion = self._access.assertion()
        return self._assertion

    def _secret(self) -> "TokenCredential":
        from azure.identity import ClientSecretCredential

        secret = self._access.host.environ["AZURE_CLIENT_SECRET"]
        tenant, client = self._who()
        options = {**self._options(), **self._discovery()}
        return ClientSecretCredential(tenant, client, secret, **options)

    def _certificate(self) -> "TokenCredential":
        from azure.identity import CertificateCredential

        environ = self._access.host.environ
        tenant, client = self._who()
        return CertificateCredential(
            tenant,
            client,
            environ["AZURE_CLIENT_CERTIFICATE_PATH"],
            password=environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
            **self._options(),
            **self._discovery(),
        )

    def _workload(self) -> "TokenCredential":
        from azure.identity import WorkloadIdentityCredential

        tenant, client = self._who()
        path = self._access.host.environ["AZURE_FEDERATED_TOKEN_FILE"]
        return WorkloadIdentityCredential(
            tenant_id=tenant, client_id=client, token_file_path=path, **self._options()
        )

    def _managed(self) -> "TokenCredential":
        from azure.identity import ChainedTokenCredential, ManagedIdentityCredential

        # In a chain it first probes for the metadata service, for a second, and does not hang.
        return ChainedTokenCredential(
            ManagedIdentityCredential(client_id=self._choice.client or None)
        )

    def _who(self) -> tuple[str, str]:
        return self._choice.tenant, self._choice.client

    def _options(self) -> dict[str, Any]:
        return {
            "authority": self._access.cloud.authority,
            "retry_total": 0,
            "connection_timeout": min(_SECONDS_TO_CONNECT, self._access.timeout),
            "read_timeout": self._access.timeout,
        }

    def _discovery(self) -> dict[str, Any]:
        """Instance discovery asks Microsoft's public cloud about the authority: only known ones."""
        return {"disable_instance_discovery": not self._access.cloud.is_known}


def _alone(text: str) -> str:
    """What the managed identity's own credential says, without the chain's words around it."""
    _, _, said = text.partition("\tManagedIdentityCredential: ")
    return said.partition("\nTo mitigate")[0] or text
