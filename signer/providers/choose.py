"""From the settings to the one provider that signs, or an error: never another one."""

from pathlib import Path

from signer.errors import UsageError
from signer.providers import Provider
from signer.settings import Settings


def open_provider(
    settings: Settings, *, default_kms_directory: Path, create_keys: bool = True
) -> Provider:
    """Open the key that the settings choose, and check the algorithm and the assurance.

    Nothing that another provider needs is imported. Where no provider is chosen, HMAC-SHA256
    is used if there is a signing key, else plain SHA-256.

    Args:
        settings: what was chosen.
        default_kms_directory: where the embedded KMS lives unless the settings say.
        create_keys: whether the first use of an embedded KMS's alias may make its key.

    Raises:
        UsageError: ``algorithm-not-offered``, ``below-minimum-assurance``, …
        ProviderError: the key cannot be had.
    """
    name = settings.provider or ("hmac" if settings.signing_key else "sha256")
    provider = _open(name, settings, default_kms_directory, create_keys)
    if not provider.assurance.covers(settings.minimum_assurance):
        raise UsageError(
            "below-minimum-assurance",
            f"provider {provider.name} gives the assurance {provider.assurance}, "
            f"and minimum-assurance is {settings.minimum_assurance}",
            fix="choose a provider with a stronger key, or lower minimum-assurance.",
        )
    return provider


def _open(
    name: str, settings: Settings, default_kms_directory: Path, create_keys: bool
) -> Provider:
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
        return hmac_key.open_key(settings.signing_key.get_secret_value(), settings.algorithm)
    from signer.providers import sha256_digest

    return sha256_digest.open_key(settings.algorithm)
