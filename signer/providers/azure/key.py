"""One version of a key in a vault or a Managed HSM, whichever way it is reached.

Keys of Azure Key Vault have the assurance ``managed-key``. The HMAC keys of a Managed HSM, with
which whoever can verify can also sign, have ``shared-secret``; the HSM is given the digest of
the message, made by the MAC's own hash function, and verifies too, as nobody else can.
"""

import hashlib
import threading
from datetime import UTC, datetime
from typing import Protocol

from signer.assurance import Assurance
from signer.crypto.algorithms import ALGORITHMS, algorithm_named, azure_name, choose_algorithm
from signer.crypto.hashers import Hasher, hasher_for
from signer.crypto.keys import PublicKey, signature_mismatch
from signer.errors import ProviderError, UsageError
from signer.providers.azure.jwk import VaultKey, malformed_answer, signature_of
from signer.providers.azure.names import Reference, parse_identifier

_MACS = ("HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512")


class Calls(Protocol):
    """A way to a vault: the SDK, or the command line.

    Every method raises ProviderError for what the service answered or failed to.
    """

    def read_key(self, reference: Reference) -> VaultKey:
        """What the vault says of a key; needs ``keys/read``."""

    def sign(self, reference: Reference, algorithm: str, digest: bytes) -> tuple[str, str]:
        """The identifier of the key that signed, and base64; needs ``keys/sign/action``.

        Args:
            reference: with a version.
            algorithm: Azure's name.
            digest: what is signed.
        """

    def verify(self, reference: Reference, algorithm: str, digest: bytes, signature: bytes) -> bool:
        """Whether the vault finds a signature right; needs ``keys/verify/action``."""


class AzureKey:
    """One version of one key; see `signer.providers.Provider`."""

    warnings = ()

    def __init__(
        self,
        name: str,
        calls: Calls,
        reference: Reference,
        *,
        algorithm: str,
        public_key: PublicKey | None,
        notes: tuple[str, ...],
        read: VaultKey | None,
    ) -> None:
        self.name = name
        self.algorithm = algorithm
        self.public_key = public_key
        self.notes = notes
        self.key_id = reference.identifier
        self._calls = calls
        self._reference = reference
        self._read = read
        self._key_spec = public_key.spec if public_key else _mac_spec(algorithm)
        self._azure_name = _azure_name(algorithm, self._key_spec)
        self._alone = threading.Lock()
        self._signed_in = False

    @property
    def assurance(self) -> Assurance:
        """``managed-key``; ``shared-secret`` for an HMAC key."""
        return Assurance.SHARED_SECRET if self.public_key is None else Assurance.MANAGED_KEY

    def key_created(self) -> datetime | None:
        """``attributes.created`` of the version that signs (REST reference, KeyAttributes).

        A pinned key, which is not read to sign, is read for it, once.

        Raises:
            UsageError: ``pinned-key-differs``.
            ProviderError: what the vault answered; ``azure-denied-…`` without ``keys/read``.
        """
        with self._alone:
            if self._read is None:
                self._read = _read_key(self._calls, self._reference, self.public_key)
            return self._read.created

    def hasher(self) -> Hasher:
        """A new hasher; its digest is what the vault is given."""
        if self.public_key is None:
            return hashlib.new(ALGORITHMS[self.algorithm].hash_name)
        return hasher_for(self.algorithm, self.public_key)

    def sign(self, digest: bytes) -> bytes:
        """The signature (DER for EC keys) or the MAC.

        The first call is made alone: the others then have the token that it got.

        Raises:
            ProviderError: the vault refused, failed, or signed with another key.
        """
        if not self._signed_in:
            with self._alone:
                signature = self._sign(digest)
                self._signed_in = True
                return signature
        return self._sign(digest)

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Check with the public key; a MAC with the HSM.

        Raises:
            VerificationError: ``signature-mismatch``.
            ProviderError: the HSM could not be asked (HMAC keys only).
        """
        if self.public_key is not None:
            self.public_key.verify(self.algorithm, signature, digest)
        elif not self._calls.verify(self._reference, self._azure_name, digest, signature):
            raise signature_mismatch(self.algorithm, self.key_id)

    def _sign(self, digest: bytes) -> bytes:
        key_id, value = self._calls.sign(self._reference, self._azure_name, digest)
        try:
            signed_with = parse_identifier(key_id, "keys")
        except UsageError as error:
            raise malformed_answer(f"it signed with {key_id[:200]!r}") from error
        if not self._reference.covers(signed_with):
            raise malformed_answer(f"it signed with {key_id}, and was asked for {self.key_id}")
        return signature_of(value, self.algorithm, self._key_spec)


def open_key(
    name: str,
    calls: Calls,
    reference: Reference,
    *,
    algorithm: str | None = None,
    pinned: PublicKey | None = None,
) -> AzureKey:
    """The provider for a key: read from the vault, unless version and public key are known.

    Args:
        name: the provider's.
        calls: the way to the vault.
        reference: the key; its current version unless it has one.
        algorithm: what the user asked for, in AWS's or Azure's name; None for the key's default.
        pinned: the public key that the user expects.

    Raises:
        UsageError: ``algorithm-not-offered``, ``pinned-key-differs``, …
        ProviderError: not found, disabled, not within its dates, not for signing, denied, …
    """
    if pinned is not None and reference.version:
        chosen, read = choose_algorithm(algorithm, pinned.spec), None
        notes: tuple[str, ...] = (
            f"the public key is pinned: to sign, {reference.identifier} is not read",
        )
    else:
        read = _read_key(calls, reference, pinned)
        _check_usable(read)
        chosen = _choose(algorithm, read)
        reference, pinned, notes = read.reference, read.public_key, ()
    return AzureKey(
        name, calls, reference, algorithm=chosen, public_key=pinned, notes=notes, read=read
    )


def _read_key(calls: Calls, reference: Reference, pinned: PublicKey | None) -> VaultKey:
    """What the vault says of the key, if it is the one asked for, and the pinned one."""
    key = calls.read_key(reference)
    if not key.reference.version or not reference.covers(key.reference):
        raise malformed_answer(
            f"it is about {key.reference.identifier}, and not {reference.identifier}"
        )
    if pinned is not None and pinned != key.public_key:
        raise UsageError(
            "pinned-key-differs",
            f"public-key is not the key {key.reference.identifier}, which the vault has now",
            fix="pin the key's version in azure-kv-key too, or give the new version's "
            "public key after checking that it was rotated on purpose.",
        )
    return key


def _check_usable(key: VaultKey) -> None:
    now = datetime.now(UTC)
    name = key.reference.identifier
    if not key.enabled:
        raise ProviderError(
            "azure-key-disabled",
            f"{name} is disabled",
            fix="enable it with `az keyvault key set-attributes --enabled true`, or choose "
            "another version.",
        )
    if key.not_before is not None and now < key.not_before:
        raise ProviderError(
            "azure-key-not-yet-valid",
            f"{name} is not valid before {key.not_before:%Y-%m-%d %H:%M:%S} UTC",
            fix="wait until then, choose another version, or check the runner's clock.",
        )
    if key.expires is not None and now >= key.expires:
        raise ProviderError(
            "azure-key-expired",
            f"{name} expired at {key.expires:%Y-%m-%d %H:%M:%S} UTC",
            fix="rotate the key (`az keyvault key rotate`); what it signed stays verifiable.",
        )
    if "sign" not in key.operations:
        allowed = ", ".join(key.operations) or "nothing"
        raise ProviderError(
            "azure-sign-not-permitted",
            f"{name} is allowed for {allowed}, and not for sign (key_ops)",
            fix="add `sign` with `az keyvault key set-attributes --ops sign verify`.",
        )


def _choose(algorithm: str | None, key: VaultKey) -> str:
    if key.public_key is not None:
        return choose_algorithm(algorithm, key.public_key.spec)
    chosen = algorithm_named(algorithm) if algorithm else _MACS[0]
    return choose_algorithm(algorithm, _mac_spec(chosen)) if algorithm else chosen


def _mac_spec(algorithm: str) -> str:
    return f"HMAC_{algorithm[-3:]}" if algorithm in _MACS else "HMAC_256"


def _azure_name(algorithm: str, key_spec: str) -> str:
    name = azure_name(algorithm, key_spec)
    if name is None:
        raise UsageError(
            "algorithm-not-offered",
            f"Azure Key Vault does not offer {algorithm}",
            fix="choose a key of RSA, P-256, P-384, P-521 or P-256K.",
        )
    return name
