"""Names of vaults, keys, secrets and versions, checked before anything is asked.

Source: Microsoft Learn, "Azure Key Vault: keys, secrets and certificates overview", "Object
identifiers" and "Vault name and object name"; "Resource name rules", Microsoft.KeyVault.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from signer.errors import UsageError
from signer.providers.azure.cloud import Cloud

SECRET_PREFIX = "azure-keyvault:"
"""How a reference to a Key Vault secret begins, in ``POLICY_SIGNING_KEY``."""

_VAULT = re.compile(r"(?=.{3,24}\Z)[A-Za-z](?:-?[A-Za-z0-9])*")
_OBJECT = re.compile(r"[0-9A-Za-z-]{1,127}")
_VERSION = re.compile(r"[0-9a-fA-F]{32}")
_AUTHORITY = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_EXAMPLE = "https://NAME.vault.azure.net"


@dataclass(frozen=True, slots=True)
class Reference:
    """A key or a secret in a vault.

    Attributes:
        vault: the vault's https URL, without a slash at the end.
        kind: ``keys`` or ``secrets``.
        name: the key's or secret's name.
        version: 32 hex digits; empty for the current one.
        vault_name: the vault's name, where the user gave no more than that.
    """

    vault: str
    kind: str
    name: str
    version: str = ""
    vault_name: str | None = None

    @property
    def identifier(self) -> str:
        """The object's identifier; versioned where there is a version."""
        return "/".join(part for part in (self.vault, self.kind, self.name, self.version) if part)

    @property
    def host(self) -> str:
        """The vault's host name, with its port where there is one."""
        return urlsplit(self.vault).netloc

    def covers(self, other: "Reference") -> bool:
        """Whether ``other`` is this object, in any version or in the one asked for."""
        ours, theirs = ((one.vault.lower(), one.kind, one.name.lower()) for one in (self, other))
        return ours == theirs and self.version in ("", other.version)


def parse_key(vault: str, key: str | None, cloud: Cloud) -> Reference:
    """The key that the settings ``azure-kv-name`` and ``azure-kv-key`` name.

    Args:
        vault: a vault's name, its https URL, or a key's identifier.
        key: ``NAME`` or ``NAME/VERSION``; None only beside an identifier.
        cloud: says what a mere name of a vault ends in.

    Raises:
        UsageError: ``azure-vault-malformed`` or ``azure-key-malformed``.
    """
    if "://" in vault and urlsplit(vault).path.strip("/"):
        whole = parse_identifier(vault, "keys")
        if key is not None and key not in (whole.name, f"{whole.name}/{whole.version}"):
            raise UsageError(
                "azure-key-malformed",
                f"azure-kv-name is the identifier {whole.identifier}, and azure-kv-key is {key!r}",
                fix="leave azure-kv-key out, or name the vault alone in azure-kv-name.",
            )
        return whole
    if key is None:
        raise UsageError(
            "setting-missing",
            "azure-kv-key is not set",
            fix="set azure-kv-key to NAME or NAME/VERSION, or azure-kv-name to a key's identifier.",
        )
    name, slash, version = key.partition("/")
    _check_object("azure-kv-key", "key", name, version if slash else None)
    if "://" in vault:
        return Reference(_vault_url(vault), "keys", name, version)
    if not _VAULT.fullmatch(vault):
        raise _malformed_vault(vault, "a name has 3 to 24 letters, digits and single hyphens")
    if cloud.suffix is None:
        raise UsageError(
            "azure-vault-malformed",
            f"azure-kv-name is {vault!r}, and what follows a vault's name is not known for "
            f"{cloud.authority} (AZURE_AUTHORITY_HOST)",
            fix=f"set azure-kv-name to the vault's whole URL, such as {_EXAMPLE}.",
        )
    return Reference(f"https://{vault.lower()}.{cloud.suffix}", "keys", name, version, vault)


def parse_secret(text: str) -> Reference:
    """The secret that ``azure-keyvault:https://VAULT/secrets/NAME[/VERSION]`` refers to.

    Raises:
        UsageError: ``azure-secret-malformed``; the text is not shown, as it may be a secret.
    """
    try:
        return parse_identifier(text.removeprefix(SECRET_PREFIX), "secrets")
    except UsageError as error:
        raise UsageError(
            "azure-secret-malformed",
            f"POLICY_SIGNING_KEY begins with {SECRET_PREFIX} but does not refer to a secret",
            fix=f"write {SECRET_PREFIX}{_EXAMPLE}/secrets/NAME or …/NAME/VERSION.",
        ) from error


def parse_identifier(text: str, kind: str) -> Reference:
    """An object's identifier: ``https://HOST/KIND/NAME`` or ``…/NAME/VERSION``.

    Args:
        text: the identifier.
        kind: ``keys`` or ``secrets``.

    Raises:
        UsageError: ``azure-vault-malformed`` or ``azure-key-malformed``.
    """
    url = urlsplit(text)
    found, _, rest = url.path.strip("/").partition("/")
    name, slash, version = rest.partition("/")
    if found != kind or not name:
        raise _malformed_vault(text, f"its path is not /{kind}/NAME or /{kind}/NAME/VERSION")
    _check_object("azure-kv-name", kind.removesuffix("s"), name, version if slash else None)
    return Reference(_vault_url(text), kind, name, version)


def _vault_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme != "https" or url.query or url.fragment or not _AUTHORITY.fullmatch(url.netloc):
        raise _malformed_vault(text, "it is not an https URL of a host alone")
    return f"https://{url.netloc.lower()}"


def _check_object(setting: str, kind: str, name: str, version: str | None) -> None:
    if not _OBJECT.fullmatch(name):
        reason = f"a {kind}'s name has 1 to 127 letters, digits and hyphens"
    elif version is not None and not _VERSION.fullmatch(version):
        reason = "a version has 32 hex digits"
    else:
        return
    shown = name if version is None else f"{name}/{version}"
    raise UsageError(
        "azure-key-malformed",
        f"{setting} names the {kind} {shown[:200]!r}, but {reason}",
        fix=f"write NAME or NAME/VERSION, as in the {kind}'s identifier.",
    )


def _malformed_vault(text: str, reason: str) -> UsageError:
    return UsageError(
        "azure-vault-malformed",
        f"azure-kv-name is {text[:200]!r}, but {reason}",
        fix=f"set it to a vault's name, its URL ({_EXAMPLE}) or a key's identifier "
        f"({_EXAMPLE}/keys/NAME/VERSION).",
    )
