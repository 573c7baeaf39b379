"""A key of Azure Key Vault or a Managed HSM: signing in, its attributes, its rotation policy.

Nothing is signed: Key Vault has no dry run, and role assignments are not in its data plane.
Sources: Key Vault REST API reference, ``GetKey``, ``GetKeyRotationPolicy``; Microsoft Learn, "Azure
built-in roles for security".
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from signer.doctor.check import Check, fail, ok, skip, warn
from signer.doctor.findings import Findings
from signer.doctor.identity import seconds_ahead
from signer.errors import SignerError
from signer.open_provider import azure_access, pinned_key
from signer.providers.azure.access import Access
from signer.providers.azure.jwk import VaultKey
from signer.providers.azure.key import Calls, open_key, use_key
from signer.providers.azure.names import Reference, parse_key
from signer.providers.host import Host
from signer.settings.models import SignSettings

EXPIRES_SOON = timedelta(days=30)

_REFUSED = ("azure-denied-by-role", "azure-denied-by-policy", "azure-denied")
_SIGN_IN = (
    "azure-not-signed-in",
    "azure-sign-in-failed",
    "azure-assertion-rejected",
    "oidc-failed",
    "oidc-not-offered",
)
# Told by the vault itself, after it took the access token.
_ANSWERED = ("azure-key", "azure-denied", "azure-sign-not", "azure-throttled")
_NO_DRY_RUN = "Key Vault has none: whether this caller may sign shows when it signs"
_NO_ROLES = (
    "role assignments are not in the vault's data plane: look at Access control (IAM) of the key "
    "and of the vault for others with Microsoft.KeyVault/vaults/keys/sign/action"
)


def look_at_key(settings: SignSettings, host: Host, found: Findings) -> None:
    """Look at the key that the settings name.

    Args:
        settings: with a provider of Azure.
        host: the process around.
        found: takes what is found.
    """
    access = azure_access(settings, host)
    reference = parse_key(settings.azure_kv_name or "", settings.azure_kv_key, access.cloud)
    try:
        calls = _calls(settings, access, reference, found)
    except SignerError as error:
        found.add(fail("command-line", error))
        found.skip_rest("see command-line", "credentials", "key", "rotation")
    else:
        _look(calls, reference, settings, found)
    found.add(skip("dry-run", _NO_DRY_RUN), skip("role-assignments", _NO_ROLES))


def _calls(settings: SignSettings, access: Access, reference: Reference, found: Findings) -> Calls:
    if settings.provider == "azure_kv":
        from signer.providers.azure.cli import CliCalls

        command = CliCalls(access)
        found.add(ok("command-line", command.version()))
        return command
    from signer.providers.azure.sdk import SdkCalls

    return SdkCalls(reference, access)


def _look(calls: Calls, reference: Reference, settings: SignSettings, found: Findings) -> None:
    """The checks ``credentials``, ``key`` and ``rotation``."""
    try:
        key = calls.read_key(reference)
    except SignerError as error:
        found.no_age = "the key could not be read: see key"
        found.add(_credentials(calls, error))
        _without_reading(calls, reference, settings, error, found)
        return
    found.ahead, found.clock = seconds_ahead(calls.date), "the vault"
    found.created, found.no_age = key.created, "the vault does not tell it"
    found.add(_credentials(calls, None))
    try:
        pinned = pinned_key(settings)
        found.provider = use_key(
            settings.provider or "",
            calls,
            reference,
            key,
            algorithm=settings.algorithm,
            pinned=pinned,
        )
        found.add(_attributes(key, found.provider.algorithm))
    except SignerError as error:
        found.add(fail("key", error))
    found.add(_rotation(calls, reference))


def _credentials(calls: Calls, error: SignerError | None) -> Check:
    """The check ``credentials``, from what became of the first call."""
    if error is None or error.code.startswith(_ANSWERED):
        return ok("credentials", f"signed in with {calls.credential()}")
    if error.code in _SIGN_IN:
        return fail("credentials", error)
    return skip("credentials", f"{calls.credential()}: whether it works is not known, see key")


def _without_reading(
    calls: Calls,
    reference: Reference,
    settings: SignSettings,
    error: SignerError,
    found: Findings,
) -> None:
    """The checks ``key`` and ``rotation`` where the key could not be read."""
    unneeded = settings.public_key is not None and bool(reference.version) and not found.dated
    if error.code in _SIGN_IN:
        found.skip_rest("see credentials", "key", "rotation")
        return
    if error.code not in _REFUSED or not unneeded:
        found.add(fail("key", error))
        found.skip_rest("see key", "rotation")
        return
    try:
        pinned = pinned_key(settings)
        found.provider = open_key(
            settings.provider or "", calls, reference, algorithm=settings.algorithm, pinned=pinned
        )
    except SignerError as wrong:
        found.add(fail("key", wrong))
    else:
        why = "it is pinned, and may not be read, which signing does not need"
        found.add(skip("key", why, fix=f"to have it looked at: {error.fix}"))
    found.skip_rest("see key", "rotation")


def _attributes(key: VaultKey, algorithm: str) -> Check:
    spec = key.public_key.spec if key.public_key else "HMAC"
    uses = " and ".join(key.operations)
    told = f"{key.reference.identifier}: {spec}, for {uses}, enabled, {algorithm}"
    if key.expires is None:
        return ok("key", f"{told}; it does not expire")
    left = key.expires - datetime.now(UTC)
    told = f"{told}; it expires {key.expires:%Y-%m-%d}"
    if left < EXPIRES_SOON:
        return warn(
            "key",
            f"{told}, in {left.days} days",
            fix="rotate the key (`az keyvault key rotate`); what it signed stays verifiable.",
        )
    return ok("key", told)


def _rotation(calls: Calls, reference: Reference) -> Check:
    """The check ``rotation``: what the key's rotation policy does."""
    try:
        policy = calls.read_rotation(reference)
    except SignerError as error:
        if error.code in _REFUSED:
            why = "the rotation policy may not be read, and signing does not need it"
            fix = "to have it looked at, allow Microsoft.KeyVault/vaults/keyrotationpolicies/read."
            return skip("rotation", why, fix=fix)
        return skip("rotation", f"the rotation policy could not be read: {error.message}")
    after = _rotations(policy)
    if not after:
        return ok("rotation", "the vault makes no new version by itself")
    return ok("rotation", f"the vault makes a new version {' and '.join(after)}")


def _rotations(policy: Mapping[str, Any]) -> list[str]:
    """When a new version is made, as the service says it, or ``az`` (flat, without ``type``)."""
    found = []
    for one in policy.get("lifetimeActions") or ():
        action, trigger = one.get("action"), one.get("trigger") or one
        kind = action.get("type") if isinstance(action, dict) else action
        if str(kind).lower() != "rotate":
            continue
        if after := trigger.get("timeAfterCreate"):
            found.append(f"{after} after the last one")
        if before := trigger.get("timeBeforeExpiry"):
            found.append(f"{before} before it expires")
    return found
