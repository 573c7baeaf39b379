"""Which of the Azure settings contradict each other, or would be ignored."""

from collections.abc import Mapping

from signer.errors import UsageError
from signer.providers.azure.cloud import cloud_of
from signer.providers.azure.names import SECRET_PREFIX, parse_key, parse_secret
from signer.settings.given import SIGNING_KEY, Given
from signer.settings.problems import ignored, unnamed_key

PROVIDERS = ("azure_kv_sdk", "azure_kv")
_KEY = ("azure-kv-name", "azure-kv-key")
_ACCESS = ("azure-tenant-id", "azure-client-id")


def problems(
    given: Mapping[str, Given], environ: Mapping[str, str], *, signing: bool
) -> list[UsageError]:
    """Every problem with the Azure settings taken together.

    Args:
        given: the settings that are set.
        environ: the environment.
        signing: whether to sign, and not to verify.
    """
    reference = environ.get(SIGNING_KEY, "")
    secret = reference if reference.startswith(SECRET_PREFIX) else None
    found = []
    if signing:
        found += ignored(given, (*_KEY, *(() if secret else _ACCESS)), "azure_kv_sdk")
    if "azure-tenant-id" in given and "azure-client-id" not in given:
        found.append(
            UsageError(
                "setting-missing",
                f"{given['azure-tenant-id'].label} is set, but azure-client-id is not",
                fix="set both to sign in with this job's OIDC token; azure-client-id alone chooses "
                "a managed identity.",
            )
        )
    found += unnamed_key(given, "azure-kv-name", PROVIDERS, signing=signing)
    return found + _name_problems(given, environ, secret)


def _name_problems(
    given: Mapping[str, Given], environ: Mapping[str, str], secret: str | None
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
