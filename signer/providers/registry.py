"""The providers by name; a provider's module is imported only when it is chosen."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType

from signer.errors import UsageError

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "kms": "signer.providers.kms",
        "hmac": "signer.providers.hmac_key",
        "sha256": "signer.providers.sha256_digest",
    }
)
"""The values of ``POLICY_SIGNING_PROVIDER`` and what the outputs call the two fallbacks; each
with its module, which has a factory ``open_key`` whose arguments are that provider's settings."""


def provider_module(name: str) -> ModuleType:
    """The module of a provider.

    Raises:
        UsageError: ``provider-unknown``.
    """
    if name not in PROVIDERS:
        raise UsageError(
            "provider-unknown",
            f"there is no signing provider {name!r}",
            fix=f"choose one of {', '.join(PROVIDERS)}",
        )
    return import_module(PROVIDERS[name])
