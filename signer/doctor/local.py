"""Keys that no cloud holds: those of the embedded KMS, a shared secret, and none at all."""

from pathlib import Path

from signer.crypto.algorithms import new_key_spec
from signer.doctor.check import Check, fail, ok, warn
from signer.doctor.findings import Findings
from signer.doctor.runner import can_make
from signer.errors import ProviderError, SignerError
from signer.kms.directory import default_directory
from signer.open_provider import open_chosen
from signer.providers import kms
from signer.providers.host import Host
from signer.settings.models import SignSettings


def look_at_kms(settings: SignSettings, host: Host, found: Findings) -> None:
    """Look at a key of the embedded KMS, and at the directory; no key is made.

    Args:
        settings: which key it is.
        host: the process around.
        found: takes what is found.
    """
    from signer.kms.service import EmbeddedKms

    try:
        directory = settings.kms_directory or default_directory(host.environ)
    except SignerError as error:
        found.add(fail("kms-directory", error))
        found.skip_rest("see kms-directory", "key")
        return
    service = EmbeddedKms(directory)
    try:
        count, broken = len(service.list_keys()), None
    except SignerError as error:
        count, broken = 0, error
    try:
        found.provider = kms.open_key(settings.kms_key, directory, settings.algorithm, create=False)
        found.created = found.provider.key_created()
    except SignerError as error:
        found.add(_directory(directory, count, broken))
        if broken is not None:
            found.skip_rest("see kms-directory", "key")
            return
        new = error.code == "kms-key-not-found" and settings.kms_key.startswith("alias/")
        found.add(_new(settings, directory) if new else fail("key", error))
        return
    # The key can be used: what is wrong is wrong with another one.
    other = warn("kms-directory", broken.message, fix=broken.fix) if broken else None
    told = f"{found.provider.key_id}, {found.provider.algorithm}"
    found.add(
        other or _directory(directory, count, None),
        ok("key", f"{told}; a simulation: its keys are files"),
    )


def look_at_secret(settings: SignSettings, host: Host, found: Findings) -> None:
    """Look at the shared secret, which may be kept in a cloud's store, or at its absence.

    Args:
        settings: with the provider ``hmac`` or ``sha256``, or none.
        host: the process around.
        found: takes what is found.
    """
    found.no_age = "what this provider signs with has no date"
    try:
        provider = open_chosen(settings, host, create_keys=False)
    except SignerError as error:
        found.add(fail("key", error))
        return
    found.provider = provider
    told = f"{provider.key_id}, {provider.algorithm}"
    if provider.warnings:
        fix = "choose a provider whose key nobody can copy, such as aws_kms_sdk or azure_kv_sdk."
        if provider.name == "hmac":
            fix = "use 32 random bytes, for instance from `openssl rand -base64 32`."
        found.add(warn("key", " ".join(provider.warnings), fix=fix))
    else:
        found.add(ok("key", f"{told}: who can verify could also sign"))


def _directory(directory: Path, count: int, broken: SignerError | None) -> Check:
    if broken is not None:
        return fail("kms-directory", broken)
    if directory.is_dir():
        return ok("kms-directory", f"{directory}: only its owner can get at it; keys: {count}")
    if can_make(directory):
        return ok("kms-directory", f"{directory} is not there yet, and can be made")
    return fail(
        "kms-directory",
        ProviderError(
            "kms-store-unusable",
            f"{directory} is not there, and cannot be made",
            fix="set kms-directory to a directory that this user can read and write.",
        ),
    )


def _new(settings: SignSettings, directory: Path) -> Check:
    """A name that no key has yet: the first signature would make the key."""
    from signer.kms.checks import check_alias

    try:
        check_alias(settings.kms_key)
        spec = new_key_spec(settings.algorithm)
    except SignerError as error:
        return fail("key", error)
    if not can_make(directory):
        return fail(
            "key",
            ProviderError(
                "kms-store-unusable",
                f"{settings.kms_key} names no key yet, and none can be made in {directory}",
                fix="set kms-directory to a directory that this user can read and write.",
            ),
        )
    return warn(
        "key",
        f"{settings.kms_key} names no key yet: the first signature makes one ({spec}), which "
        "nobody trusts yet",
        fix="check kms-key and kms-directory; if it is new, give its public key to the auditor.",
    )
