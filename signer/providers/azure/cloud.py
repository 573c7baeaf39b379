"""Which of Azure's clouds this is: ``AZURE_AUTHORITY_HOST`` says, as for Microsoft's own tools.

Source: Microsoft Learn, "Microsoft Entra authentication and national clouds" and "Azure Key
Vault: keys, secrets and certificates overview", "Vault URL structure".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from signer.errors import UsageError

_SUFFIXES = {
    "AzureCloud": "vault.azure.net",
    "AzureUSGovernment": "vault.usgovcloudapi.net",
    "AzureChinaCloud": "vault.azure.cn",
}
_CLOUDS = {
    "login.microsoftonline.com": "AzureCloud",
    "login.microsoft.com": "AzureCloud",
    "login.windows.net": "AzureCloud",
    "sts.windows.net": "AzureCloud",
    "login.microsoftonline.us": "AzureUSGovernment",
    "login-us.microsoftonline.com": "AzureUSGovernment",
    "login.usgovcloudapi.net": "AzureUSGovernment",
    "login.partner.microsoftonline.cn": "AzureChinaCloud",
    "login.chinacloudapi.cn": "AzureChinaCloud",
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Azure's clouds.

    Attributes:
        authority: the https URL of its login host, without a slash at the end.
        name: the command line's name of it; None for one that Microsoft does not run.
        suffix: what follows a vault's name in its host name; None where it is not known.
    """

    authority: str
    name: str | None
    suffix: str | None

    @property
    def is_known(self) -> bool:
        """Whether Microsoft runs it, so that its login host takes part in instance discovery."""
        return self.name is not None


def cloud_of(environ: Mapping[str, str]) -> Cloud:
    """The cloud that ``AZURE_AUTHORITY_HOST`` names; Azure's public cloud by default.

    Raises:
        UsageError: ``azure-authority-malformed``.
    """
    said = environ.get("AZURE_AUTHORITY_HOST", "").strip() or "login.microsoftonline.com"
    url = urlsplit(said if "://" in said else f"https://{said}")
    if url.scheme != "https" or not url.hostname or url.username or url.query or url.fragment:
        raise UsageError(
            "azure-authority-malformed",
            f"AZURE_AUTHORITY_HOST is {said[:200]!r}, which is not an https URL",
            fix="set it to the login host of your cloud, such as https://login.microsoftonline.us.",
        )
    name = _CLOUDS.get(url.hostname.lower())
    return Cloud(
        authority=f"https://{url.netloc}{url.path}".rstrip("/"),
        name=name,
        suffix=_SUFFIXES[name] if name else None,
    )
