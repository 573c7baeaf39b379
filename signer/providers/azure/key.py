"""One version of a key in a vault or a Managed HSM, whichever way it is reached.

Keys of Azure Key Vault have the assurance ``managed-key``. The HMAC keys of a Managed HSM, with
which whoever can verify can also sign, have ``shared-secret``; the HSM is given the digest of
the message, made by the MAC's own hash function, and verifies too, as nobody else can.
"""

import hashlib
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

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

    date: str
    """When the last answer was made, as its ``Date`` header says; empty where that is not told."""

    def read_key(self, reference: Reference) -> VaultKey:
        """What the vault says of a key; needs ``keys/read``."""

    def read_rotation(self, reference: Reference) -> Mapping[str, Any]:
        """The key's rotation policy; needs ``keyrotationpolicies/read``."""

    def credential(self) -> str:
        """How it signs in, for people."""

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
        if self._read is None:
            key = self._calls.read_key(self._reference)
            _check_same(key, self._reference, self.public_key)
            self._read = key
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
                if not self._signed_in:
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
    if pinned is None or not reference.version:
        key = calls.read_key(reference)
        return use_key(name, calls, reference, key, algorithm=algorithm, pinned=pinned)
    return AzureKey(
        name,
        calls,
        reference,
        algorithm=choose_algorithm(algorithm, pinned.spec),
        public_key=pinned,
        notes=(f"the public key is pinned: to sign, {reference.identifier} is not read",),
        read=None,
    )


def use_key(
    name: str,
    calls: Calls,
    reference: Reference,
    key: VaultKey,
    *,
    algorithm: str | None,
    pinned: PublicKey | None,
) -> AzureKey:
    """`open_key` for a key that was read already.

    Args:
        name: the provider's.
        calls: the way to the vault.
        reference: the key as it was asked for.
        key: what the vault says of it.
        algorithm: what the user asked for.
        pinned: the public key that the user expects.

    Raises:
        UsageError: ``algorithm-not-offered``, ``pinned-key-differs``.
        ProviderError: it is another key, or it is disabled, not within its dates, not for signing.
    """
    _check_same(key, reference, pinned)
    check_usable(key)
    return AzureKey(
        name,
        calls,
        key.reference,
        algorithm=_choose(algorithm, key),
        public_key=key.public_key,
        notes=(),
        read=key,
    )


def _check_same(key: VaultKey, reference: Reference, pinned: PublicKey | None) -> None:
    """Refuse another key than the one asked for, or than the pinned one."""
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


def check_usable(key: VaultKey) -> None:
    """Refuse a key that would not sign.

    Raises:
        ProviderError: it is disabled, not within its dates, or not for signing.
    """
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
    if algorithm is None:
        return _MACS[0]
    return choose_algorithm(algorithm, _mac_spec(algorithm_named(algorithm)))


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
