"""The HMAC key from a Key Vault secret, held in memory only.

Needs ``Microsoft.KeyVault/vaults/secrets/getSecret/action`` on the secret.
Source: Key Vault REST API reference, ``GetSecret``.
"""

from signer.providers.azure.access import Access
from signer.providers.azure.names import parse_secret


def fetch_secret(text: str, access: Access) -> bytes:
    """The UTF-8 bytes of a secret, without line ends after it.

    Args:
        text: ``azure-keyvault:https://VAULT/secrets/NAME`` or ``…/NAME/VERSION``.
        access: how to sign in.

    Raises:
        UsageError: ``azure-secret-malformed``.
        ProviderError: what the vault answered.
    """
    from signer.providers.azure.sdk import SdkCalls

    reference = parse_secret(text)
    secret = SdkCalls(reference, access).read_secret(reference).rstrip("\r\n")
    if secret:
        access.host.mask(secret)
    return secret.encode()
