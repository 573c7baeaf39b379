"""Azure Key Vault and Managed HSM through the ``az`` command line.

Needs what `signer.providers.azure_kv_sdk` needs. ``az keyvault key sign`` reads the key besides,
but does not mind if it may not.
"""

from signer.crypto.keys import PublicKey
from signer.providers.azure import key as azure_key
from signer.providers.azure.access import Access
from signer.providers.azure.cli import CliCalls
from signer.providers.azure.names import parse_key


def open_key(
    vault: str,
    key: str | None,
    access: Access,
    *,
    algorithm: str | None = None,
    pinned: PublicKey | None = None,
) -> azure_key.AzureKey:
    """The provider for a key in a vault; the arguments and errors are those of azure_kv_sdk.

    Raises:
        UsageError: a setting is malformed or does not fit the key.
        ProviderError: ``command-missing``, ``command-timeout``, or what Azure answered.
    """
    reference = parse_key(vault, key, access.cloud)
    return azure_key.open_key(
        "azure_kv", CliCalls(access), reference, algorithm=algorithm, pinned=pinned
    )
