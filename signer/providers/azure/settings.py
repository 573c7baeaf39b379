"""Which of the Azure settings contradict each other, or would be ignored."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from signer.errors import UsageError
from signer.providers.azure.cloud import cloud_of
from signer.providers.azure.names import SECRET_PREFIX, parse_key, parse_secret

if TYPE_CHECKING:
    from signer.settings import Given

PROVIDERS = ("azure_kv_sdk", "azure_kv")
_TRUST = {"public-key", "hmac", "integrity-only"}
_KEY = ("azure-kv-name", "azure-kv-key")
_ACCESS = ("azure-tenant-id", "azure-client-id")


def problems(
    given: "Mapping[str, Given]", environ: Mapping[str, str], *, signing: bool
) -> list[UsageError]:
    """Every problem with the Azure settings taken together.

    Args:
        given: the settings that are set.
        environ: the environment.
        signing: whether to sign, and not to verify.
    """
    provider = given["provider"].value if "provider" in given else None
    reference = environ.get("POLICY_SIGNING_KEY", "")
    fetches = reference.startswith(SECRET_PREFIX)
    # Verifying, a provider is only looked at where nothing else is trusted.
    used = signing or not _TRUST & given.keys()
    found = []
    if signing and provider is None:
        found += [
            UsageError(
                "setting-conflict",
                f"{given[name].label} is set, but no provider is chosen: it would be ignored",
                fix=f"set provider to azure_kv_sdk, or take {given[name].label} out.",
            )
            for name in (*_KEY, *(() if fetches else _ACCESS))
            if name in given
        ]
    if "azure-tenant-id" in given and "azure-client-id" not in given:
        found.append(
            UsageError(
                "setting-missing",
                f"{given['azure-tenant-id'].label} is set, but azure-client-id is not",
                fix="set both to sign in with this job's OIDC token; azure-client-id alone chooses "
                "a managed identity.",
            )
        )
    if used and provider in PROVIDERS and "azure-kv-name" not in given:
        found.append(
            UsageError(
                "setting-missing",
                f"provider is {provider}, but azure-kv-name is not set",
                fix="set the input azure-kv-name, or POLICY_AZURE_KV_NAME in the environment.",
            )
        )
    return found + _name_problems(given, environ, reference if fetches else None)


def _name_problems(
    given: "Mapping[str, Given]", environ: Mapping[str, str], secret: str | None
) -> list[UsageError]:
    found = []
    try:
        if "azure-kv-name" in given:
            key = given["azure-kv-key"].value if "azure-kv-key" in given else None
            parse_key(given["azure-kv-name"].value, key, cloud_of(environ))
    except UsageError as error:
        found.append(error)
    try:
        if secret is not None:
            parse_secret(secret)
            cloud_of(environ)
    except UsageError as error:
        found.append(error)
    return found
