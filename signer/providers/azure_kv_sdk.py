"""Azure Key Vault and Managed HSM through the SDK: the recommended provider.

Needs, on the key, ``Microsoft.KeyVault/vaults/keys/read`` and
``Microsoft.KeyVault/vaults/keys/sign/action``; only the latter where the version is named, the
public key pinned, and the key's age not limited by a signing policy. In a Managed HSM these are
``Microsoft.KeyVault/managedHsm/keys/read/action`` and ``…/keys/sign/action``, and
``…/keys/verify/action`` for an HMAC key. docs/azure.md has the roles.
"""

from signer.crypto.keys import PublicKey
from signer.providers.azure import key as azure_key
from signer.providers.azure.access import Access
from signer.providers.azure.names import parse_key


def open_key(
    vault: str,
    key: str | None,
    access: Access,
    *,
    algorithm: str | None = None,
    pinned: PublicKey | None = None,
) -> azure_key.AzureKey:
    """The provider for a key in a vault.

    Args:
        vault: a vault's name, its https URL, or a key's identifier.
        key: ``NAME`` or ``NAME/VERSION``; None beside an identifier.
        access: how to sign in.
        algorithm: what the user asked for, in AWS's or Azure's name; None for the key's default.
        pinned: the public key that the user expects.

    Raises:
        UsageError: a setting is malformed or does not fit the key.
        ProviderError: what Azure answered.
    """
    from signer.providers.azure.sdk import SdkCalls

    reference = parse_key(vault, key, access.cloud)
    return azure_key.open_key(
        "azure_kv_sdk",
        SdkCalls(reference, access),
        reference,
        algorithm=algorithm,
        pinned=pinned,
    )
