"""From the settings to the one provider that signs, or an error: never another one."""

from typing import TYPE_CHECKING

from pydantic import SecretBytes

from signer.assurance import Assurance, strongest_of
from signer.errors import UsageError
from signer.providers import Provider
from signer.providers.aws.reference import SECRET_SCHEME
from signer.providers.azure.names import SECRET_PREFIX
from signer.providers.host import Host
from signer.settings.models import Settings

if TYPE_CHECKING:
    from signer.crypto.keys import PublicKey
    from signer.providers.aws.access import Access
    from signer.providers.azure.access import Access as AzureAccess


def open_provider(
    settings: Settings, host: Host, *, create_keys: bool = True, dated: bool = False
) -> Provider:
    """Open the key that the settings choose, and check the algorithm and the assurance.

    Nothing that another provider needs is imported. Where no provider is chosen, HMAC-SHA256
    is used if there is a signing key, else plain SHA-256.

    Args:
        settings: what was chosen.
        host: the process around the provider.
        create_keys: whether the first use of an embedded KMS's alias may make its key.
        dated: whether `Provider.key_created` will be asked, so that a session must allow it.

    Raises:
        UsageError: ``algorithm-not-offered``, ``below-minimum-assurance``, …
        ProviderError: the key cannot be had.
    """
    name = provider_name(settings)
    # Before the first use of a key, which may make it, and again of the key that was found.
    require_assurance(name, strongest_of(name), settings)
    provider = open_chosen(settings, host, create_keys=create_keys, dated=dated)
    require_assurance(name, provider.assurance, settings)
    return provider


def provider_name(settings: Settings) -> str:
    """The provider that the settings choose, also where they name none."""
    return settings.provider or ("hmac" if settings.signing_key else "sha256")


def require_assurance(provider: str, assurance: Assurance, settings: Settings) -> None:
    """Refuse a key that proves less than the settings ask for.

    Args:
        provider: its name.
        assurance: what the key gives, or any key of that provider can.
        settings: with the minimum.

    Raises:
        UsageError: ``below-minimum-assurance``.
    """
    if not assurance.covers(settings.minimum_assurance):
        raise UsageError(
            "below-minimum-assurance",
            f"provider {provider} gives the assurance {assurance}, "
            f"and minimum-assurance is {settings.minimum_assurance}",
            fix="choose a provider with a stronger key, or lower minimum-assurance.",
        )


def open_chosen(
    settings: Settings, host: Host, *, create_keys: bool, dated: bool = False
) -> Provider:
    """`open_provider`, whatever the key's assurance."""
    name = provider_name(settings)
    if name in ("aws_kms_sdk", "aws_kms"):
        return _open_aws(name, settings, host, dated=dated)
    if name in ("azure_kv_sdk", "azure_kv"):
        return _open_azure(name, settings, host)
    if name == "kms":
        from signer.kms.directory import default_directory
        from signer.providers import kms

        return kms.open_key(
            settings.kms_key,
            settings.kms_directory or default_directory(host.environ),
            settings.algorithm,
            create=create_keys,
        )
    if name == "hmac":
        from signer.providers import hmac_key

        if settings.signing_key is None:
            raise ValueError("settings let hmac through without a key")
        return hmac_key.open_key(_secret(settings.signing_key, settings, host), settings.algorithm)
    from signer.providers import sha256_digest

    return sha256_digest.open_key(settings.algorithm)


def _open_aws(name: str, settings: Settings, host: Host, *, dated: bool) -> Provider:
    if settings.aws_kms_key is None:
        raise ValueError(f"settings let {name} through without a key")
    if name == "aws_kms_sdk":
        from signer.providers.aws_kms_sdk import open_key
    else:
        from signer.providers.aws_kms import open_key
    access = aws_access(settings, host)
    return open_key(
        settings.aws_kms_key, access, settings.algorithm, pinned_key(settings), dated=dated
    )


def _open_azure(name: str, settings: Settings, host: Host) -> Provider:
    if settings.azure_kv_name is None:
        raise ValueError(f"settings let {name} through without a vault")
    if name == "azure_kv_sdk":
        from signer.providers.azure_kv_sdk import open_key
    else:
        from signer.providers.azure_kv import open_key
    return open_key(
        settings.azure_kv_name,
        settings.azure_kv_key,
        azure_access(settings, host),
        algorithm=settings.algorithm,
        pinned=pinned_key(settings),
    )


def pinned_key(settings: Settings) -> "PublicKey | None":
    """The key's public key, where the user has it.

    Raises:
        UsageError: ``public-key-not-found``.
        VerificationError: ``key-unreadable``, ``key-not-accepted``.
    """
    if settings.public_key is None:
        return None
    from signer.crypto.key_file import read_public_key

    return read_public_key(settings.public_key)


def aws_access(settings: Settings, host: Host) -> "Access":
    """How the settings get at AWS."""
    from signer.providers.aws.access import Access

    return Access(
        region=settings.aws_region,
        role=settings.aws_role_to_assume,
        audience=settings.aws_audience,
        timeout=settings.provider_timeout.total_seconds(),
        host=host,
    )


def azure_access(settings: Settings, host: Host) -> "AzureAccess":
    """How the settings get at Azure."""
    from signer.providers.azure.access import Access
    from signer.providers.azure.cloud import cloud_of

    return Access(
        cloud=cloud_of(host.environ),
        tenant_id=settings.azure_tenant_id,
        client_id=settings.azure_client_id,
        timeout=settings.provider_timeout.total_seconds(),
        host=host,
    )


def _secret(signing_key: SecretBytes, settings: Settings, host: Host) -> bytes:
    """The HMAC key: what is in the environment, or the secret that it names."""
    given = signing_key.get_secret_value()
    if given.startswith(SECRET_SCHEME.encode()):
        from signer.providers.aws.secret import fetch_secret

        return fetch_secret(given.decode("utf-8", "surrogateescape"), aws_access(settings, host))
    if given.startswith(SECRET_PREFIX.encode()):
        from signer.providers.azure.secret import fetch_secret as fetch_from_vault

        text = given.decode("utf-8", "surrogateescape")
        return fetch_from_vault(text, azure_access(settings, host))
    return given
