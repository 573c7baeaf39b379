"""What Key Vault and Entra answer when they refuse, each with a stable code and a remedy.

Sources: Key Vault REST API reference, KeyVaultError; Microsoft Learn, "Azure Key Vault REST API
error codes" and "Microsoft Entra authentication and authorization error codes".
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from signer.errors import ProviderError
from signer.providers.azure.names import Reference

PASSING = (408, 429, 500, 502, 503, 504)
"""The statuses of HTTP after which asking again may help."""

_JWT = re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*")


@dataclass(eq=False)
class RefusedError(Exception):
    """What a service answered in place of a result.

    Attributes:
        action: what was asked, such as ``sign``.
        status: of HTTP; 0 where a command line does not tell.
        code: ``error.code``, such as ``Forbidden``.
        inner: ``error.innererror.code``, such as ``ForbiddenByRbac``.
        message: ``error.message``.
        request_id: ``x-ms-request-id``, for Microsoft's support.
        retry_after: seconds to wait at least, as the service asks; 0 where it does not.
    """

    action: str
    status: int
    code: str
    inner: str = ""
    message: str = ""
    request_id: str = ""
    retry_after: float = 0.0

    def __str__(self) -> str:
        codes = "/".join(part for part in (self.code, self.inner) if part)
        number = f"{self.status} " if self.status else ""
        return f"{number}{codes or 'error'}"

    @property
    def passes(self) -> bool:
        """Whether asking again may help."""
        return self.status in PASSING or self.code in ("Throttled", "ServiceUnavailable")


class _Row(NamedTuple):
    """A stable code, what it means, and what to do."""

    code: str
    what: str
    fix: str


_FIREWALL: _Row = _Row(
    "azure-denied-by-firewall",
    "the vault's firewall refused this runner's address",
    "let the runner's network in (a self-hosted runner or a private endpoint; the addresses of "
    "GitHub's own runners change), or the vault's networking settings.",
)
_THROTTLED: _Row = _Row(
    "azure-throttled",
    "the vault answers no more requests for now",
    "run the job again later, sign fewer files at once, or raise provider-timeout.",
)
_ROWS: dict[str, _Row] = {
    "KeyNotFound": _Row(
        "azure-key-not-found",
        "there is no such key, or not in this version",
        "check azure-kv-key; if the key was deleted, `az keyvault key list-deleted` shows it and "
        "`az keyvault key recover` brings it back.",
    ),
    "SecretNotFound": _Row(
        "azure-secret-not-found",
        "there is no such secret, or not in this version",
        "check the reference in POLICY_SIGNING_KEY; a deleted secret can be recovered with "
        "`az keyvault secret recover`.",
    ),
    "ObjectIsDeletedButRecoverable": _Row(
        "azure-key-deleted",
        "the key is deleted, but can be recovered",
        "recover it with `az keyvault key recover`, or choose another key.",
    ),
    "KeyDisabled": _Row(
        "azure-key-disabled",
        "the key is disabled",
        "enable it with `az keyvault key set-attributes --enabled true`, or choose another "
        "version.",
    ),
    "KeyOperationForbidden": _Row(
        "azure-sign-not-permitted",
        "this operation is not among those the key is allowed for (key_ops)",
        "add `sign` with `az keyvault key set-attributes --ops sign verify`.",
    ),
    "ForbiddenByRbac": _Row(
        "azure-denied-by-role",
        "no role assignment allows this",
        "assign the role of docs/azure.md (Microsoft.KeyVault/vaults/keys/sign/action, and "
        "keys/read unless the public key is pinned) on the key; it takes minutes to take effect.",
    ),
    "ForbiddenByPolicy": _Row(
        "azure-denied-by-policy",
        "the vault's access policy does not allow this",
        "give the application the key permissions Get and Sign with `az keyvault set-policy "
        "--key-permissions get sign` (a secret: `--secret-permissions get`).",
    ),
    "ForbiddenByFirewall": _FIREWALL,
    "ForbiddenByConnection": _FIREWALL,
    "BadParameter": _Row(
        "azure-bad-parameter",
        "the vault refuses the algorithm or the digest for this key",
        "choose an algorithm that fits the key's type and curve (docs/azure.md).",
    ),
    "Throttled": _THROTTLED,
    "Unauthorized": _Row(
        "azure-unauthorized",
        "the vault does not accept the access token",
        "check that vault and application are in the same tenant (azure-tenant-id) and cloud "
        "(AZURE_AUTHORITY_HOST), and the runner's clock.",
    ),
    "Forbidden": _Row(
        "azure-denied",
        "the vault refuses this",
        "check that the key is enabled and within its dates (a pinned key is not read first), and "
        "what the caller may do (docs/azure.md).",
    ),
}
_BY_STATUS = {401: "Unauthorized", 403: "Forbidden", 429: "Throttled", 404: "KeyNotFound"}
_UNAVAILABLE: _Row = _Row(
    "azure-unavailable",
    "the vault failed to answer",
    "run the job again; if it stays, see https://azure.status.microsoft.",
)
_UNFORESEEN: _Row = _Row(
    "azure-failed",
    "the vault refuses this",
    "see what it says; docs/azure.md lists the errors that are known.",
)

_CONNECTIONS: tuple[tuple[str, _Row], ...] = (
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSL:|certificate verify failed",
        _Row(
            "azure-tls-failed",
            "its certificate is not trusted",
            "where a proxy of yours opens TLS, set REQUESTS_CA_BUNDLE to a file with its "
            "authority's certificate; otherwise do not go on.",
        ),
    ),
    (
        r"[Pp]roxy|Tunnel connection failed",
        _Row(
            "azure-proxy-failed",
            "the proxy does not connect to it",
            "check HTTPS_PROXY and NO_PROXY, whether the proxy lets this host through, and the "
            "vault's name.",
        ),
    ),
    (
        (
            r"NameResolutionError|Failed to resolve|Name or service not known|getaddrinfo|"
            r"nodename nor servname|No address associated"
        ),
        _Row(
            "azure-vault-not-found",
            "there is no such host in DNS",
            "check azure-kv-name (and AZURE_AUTHORITY_HOST in a sovereign cloud); a deleted vault "
            "has no name either, and `az keyvault list-deleted` shows it.",
        ),
    ),
)
_UNCONNECTED = re.compile(
    r"Connection (aborted|reset|refused|broken)|RemoteDisconnected|timed out|Max retries exceeded|"
    r"[Pp]roxy|CERTIFICATE_VERIFY_FAILED|SSLError|Failed to resolve|NameResolutionError|"
    r"Failed to establish a new connection|ConnectionError"
)
_BROKEN = r"RemoteDisconnected|Connection aborted|reset by peer"
_UNREACHABLE: _Row = _Row(
    "azure-unreachable",
    "the connection failed",
    "check the network between this runner and the vault, or raise provider-timeout.",
)


class UnconnectedError(Exception):
    """A command line did not reach the service."""


def refused(refusal: RefusedError, reference: Reference) -> ProviderError:
    """The error for what a vault answered.

    Args:
        refusal: the answer.
        reference: the key or secret it was about.
    """
    row = _ROWS.get(refusal.inner) or _ROWS.get(refusal.code)
    if row is None and refusal.status in _BY_STATUS:
        row = _ROWS[_BY_STATUS[refusal.status]]
    if row is None:
        row = _UNAVAILABLE if refusal.passes or refusal.status >= 500 else _UNFORESEEN
    code, what, fix = row
    said = one_line(refusal.message)
    number = f"; request id {refusal.request_id}" if refusal.request_id else ""
    return ProviderError(
        code,
        f"{reference.identifier}: {refusal.action}: {what} ({refusal}: {said}{number})",
        fix=fix,
    )


def deleted(reference: Reference) -> ProviderError:
    """The error for a key that is not found because it is soft-deleted."""
    code, what, fix = _ROWS["ObjectIsDeletedButRecoverable"]
    return ProviderError(code, f"{reference.identifier}: {what}", fix=fix)


def unconnected(detail: str, host: str) -> ProviderError:
    """The error for a service that could not be reached.

    Args:
        detail: what the library beneath says.
        host: the service's host name.
    """
    code, what, fix = connection_row(detail) or _UNREACHABLE
    return ProviderError(code, f"{host}: {what} ({one_line(detail)})", fix=fix)


def is_unconnected(text: str) -> bool:
    """Whether a command line says that it did not reach the service."""
    return _UNCONNECTED.search(text) is not None


def connection_row(detail: str) -> _Row | None:
    """The row for trouble that stays: TLS, proxy, DNS; None for any other."""
    if re.search(_BROKEN, detail):
        return None
    return next((row for pattern, row in _CONNECTIONS if re.search(pattern, detail)), None)


def one_line(text: str) -> str:
    """A service's text on one line of at most 600 characters, with no token in it."""
    clean = _JWT.sub("***", text)
    return " ".join(clean.split())[:600]
