"""From the settings to the one provider that signs, or an error: never another one."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretBytes

from signer.errors import UsageError
from signer.providers import Provider
from signer.providers.aws.reference import SECRET_SCHEME
from signer.providers.host import Host
from signer.settings import Settings

if TYPE_CHECKING:
    from signer.providers.aws.access import Access


def open_provider(
    settings: Settings, host: Host, *, default_kms_directory: Path, create_keys: bool = True
) -> Provider:
    """Open the key that the settings choose, and check the algorithm and the assurance.

    Nothing that another provider needs is imported. Where no provider is chosen, HMAC-SHA256
    is used if there is a signing key, else plain SHA-256.

    Args:
        settings: what was chosen.
        host: the process around the provider.
        default_kms_directory: where the embedded KMS lives unless the settings say.
        create_keys: whether the first use of an embedded KMS's alias may make its key.

    Raises:
        UsageError: ``algorithm-not-offered``, ``below-minimum-assurance``, …
        ProviderError: the key cannot be had.
    """
    name = settings.provider or ("hmac" if settings.signing_key else "sha256")
    provider = _open(name, settings, host, default_kms_directory, create_keys)
    if not provider.assurance.covers(settings.minimum_assurance):
        raise UsageError(
            "below-minimum-assurance",
            f"provider {provider.name} gives the assurance {provider.assurance}, "
            f"and minimum-assurance is {settings.minimum_assurance}",
            fix="choose a provider with a stronger key, or lower minimum-assurance.",
        )
    return provider


def _open(
    name: str, settings: Settings, host: Host, default_kms_directory: Path, create_keys: bool
) -> Provider:
    if name in ("aws_kms_sdk", "aws_kms"):
        return _open_aws(name, settings, host)
    if name == "kms":
        from signer.providers import kms

        return kms.open_key(
            settings.kms_key,
            settings.kms_directory or default_kms_directory,
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


def _open_aws(name: str, settings: Settings, host: Host) -> Provider:
    if settings.aws_kms_key is None:
        raise ValueError(f"settings let {name} through without a key")
    if name == "aws_kms_sdk":
        from signer.providers.aws_kms_sdk import open_key
    else:
        from signer.providers.aws_kms import open_key
    pinned = None
    if settings.public_key is not None:
        from signer.crypto.key_file import read_public_key

        pinned = read_public_key(settings.public_key)
    return open_key(settings.aws_kms_key, _aws_access(settings, host), settings.algorithm, pinned)


def _aws_access(settings: Settings, host: Host) -> "Access":
    from signer.providers.aws.access import Access

    return Access(
        region=settings.aws_region,
        role=settings.aws_role_to_assume,
        audience=settings.aws_audience,
        timeout=settings.provider_timeout.total_seconds(),
        host=host,
    )


def _secret(signing_key: SecretBytes, settings: Settings, host: Host) -> bytes:
    """The HMAC key: what is in the environment, or the secret that it names."""
    given = signing_key.get_secret_value()
    if given.startswith(SECRET_SCHEME.encode()):
        from signer.providers.aws.secret import fetch_secret

        return fetch_secret(given.decode("utf-8", "surrogateescape"), _aws_access(settings, host))
    return given
