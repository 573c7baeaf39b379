"""How what is wrong with settings is told."""

from collections.abc import Iterable, Mapping

from signer.errors import UsageError
from signer.settings.given import PROVIDER, Given, variable_for

_TRUST = {"public-key", "trusted-keys", "hmac", "integrity-only"}


def conflict(message: str, *, fix: str) -> UsageError:
    """Two settings that do not go together."""
    return UsageError("setting-conflict", message, fix=fix)


def ignored(given: Mapping[str, Given], names: Iterable[str], provider: str) -> list[UsageError]:
    """The settings of a provider that are set where no provider is chosen.

    Args:
        given: the settings that are set.
        names: those that only this provider uses.
        provider: the one to suggest.
    """
    return [
        conflict(
            f"{given[name].label} is set, but no provider is chosen: it would be ignored",
            fix=f"set provider (or {PROVIDER}) to {provider}, or take {given[name].label} out.",
        )
        for name in names
        if name in given and "provider" not in given
    ]


def unnamed_key(
    given: Mapping[str, Given], name: str, providers: tuple[str, ...], *, signing: bool
) -> list[UsageError]:
    """The provider's key, where it is needed and not named.

    Verifying, a provider is only looked at where nothing else is trusted.

    Args:
        given: the settings that are set.
        name: the setting that names the key.
        providers: those that need it.
        signing: whether to sign, and not to verify.
    """
    provider = given["provider"].value if "provider" in given else None
    used = signing or not _TRUST & given.keys()
    if not used or provider not in providers or name in given:
        return []
    return [
        UsageError(
            "setting-missing",
            f"provider is {provider}, but {name} is not set",
            fix=f"set the input {name}, or {variable_for(name)} in the environment.",
        )
    ]
