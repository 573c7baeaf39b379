"""The operations of the embedded KMS, named as AWS names them.

Source: AWS KMS API reference. Unlike there, every operation that takes a key takes an alias too,
and a key has versions: ``urn:policy-audit:kms:key/UUID`` is the current one,
``urn:policy-audit:kms:key/UUID/1`` the first, whichever is current.
"""

import hmac
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm

from signer.crypto.algorithms import KEY_SPECS, MessageType
from signer.crypto.keys import PublicKey
from signer.errors import VerificationError
from signer.kms import errors, material
from signer.kms.checks import check_alias, check_raw, check_spec, digest_of
from signer.kms.store import UUID, Store, StoredKey, Version

KEY_PREFIX = "urn:policy-audit:kms:key/"
SIGN_VERIFY = "SIGN_VERIFY"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"

_KEY_ID = re.compile(rf"(?:{KEY_PREFIX})?({UUID})(?:/([1-9][0-9]{{0,5}}))?")


@dataclass(frozen=True, slots=True)
class KeyMetadata:
    """What there is to know of a key, apart from its material.

    Attributes:
        key_id: the URN of the version it was asked for, the current one by default.
        key_spec: AWS's key spec, such as ``ECC_NIST_P256``.
        key_usage: ``SIGN_VERIFY`` or ``GENERATE_VERIFY_MAC``.
        enabled: whether it signs.
        algorithms: AWS's names of what it offers, the default first.
        aliases: the names it has, sorted.
        created: when each of its versions was made, the first one first: RFC 3339, UTC.
    """

    key_id: str
    key_spec: str
    key_usage: str
    enabled: bool
    algorithms: tuple[str, ...]
    aliases: tuple[str, ...]
    created: tuple[str, ...]


class EmbeddedKms:
    """The keys of one directory.

    Every method raises ProviderError for what the service refuses (`signer.kms.errors`) and for
    a directory that is exposed, unusable or corrupt (`signer.kms.store.Store`).

    Args:
        directory: where the keys are; made, readable by its owner alone, with the first key.
    """

    def __init__(self, directory: Path) -> None:
        self._store = Store(directory)

    def create_key(self, key_spec: str) -> KeyMetadata:
        """Make a key.

        Raises:
            ProviderError: ``kms-validation`` for an unknown spec, or see the class.
        """
        check_spec(key_spec)
        key = _new_key(key_spec)
        with self._store.writing():
            self._store.write_key(key)
        return self._describe(key, len(key.versions))

    def create_alias(self, alias: str, target_key_id: str) -> None:
        """Give a key a name.

        Raises:
            ProviderError: ``kms-alias-exists``, ``kms-alias-invalid``, ``kms-key-not-found``, …
        """
        check_alias(alias)
        with self._store.writing():
            aliases = self._store.aliases()
            if alias in aliases:
                raise errors.alias_exists(alias)
            self._store.write_aliases({**aliases, alias: self._target(target_key_id).uuid})

    def update_alias(self, alias: str, target_key_id: str) -> None:
        """Let a name that exists name another key, of the same usage.

        Raises:
            ProviderError: ``kms-key-not-found``, ``kms-validation``, …
        """
        check_alias(alias)
        with self._store.writing():
            target = self._target(target_key_id)
            current, _ = self._resolve(alias)
            if _usage(current.spec) != _usage(target.spec):
                raise errors.validation(
                    f"{alias} names a key for {_usage(current.spec)}, and {target_key_id} is one "
                    f"for {_usage(target.spec)}",
                    fix="choose a key of the same usage, or another alias",
                )
            self._store.write_aliases({**self._store.aliases(), alias: target.uuid})

    def ensure_alias(self, alias: str, key_spec: str) -> bool:
        """Make a key under a name where the name is free; one only, however many try at once.

        Returns:
            Whether a key was made.

        Raises:
            ProviderError: ``kms-alias-invalid``, ``kms-validation``, …
        """
        check_alias(alias)
        check_spec(key_spec)
        if alias in self._store.aliases():
            return False
        with self._store.writing():
            aliases = self._store.aliases()
            if alias in aliases:
                return False
            key = _new_key(key_spec)
            self._store.write_key(key)
            self._store.write_aliases({**aliases, alias: key.uuid})
        return True

    def rotate_key(self, key_id: str) -> KeyMetadata:
        """Give a key a new version, which becomes the current one; the older ones stay.

        Raises:
            ProviderError: ``kms-key-not-found``, ``kms-key-disabled``, …
        """
        version = _new_version(self._target(key_id).spec)  # slow for RSA, hence before the lock
        with self._store.writing():
            key = self._target(key_id)
            _check_enabled(key)
            key = key.with_version(version)
            self._store.write_key(key)
        return self._describe(key, len(key.versions))

    def disable_key(self, key_id: str) -> None:
        """Stop a key, with all its versions, from signing, and from being read."""
        self._set_enabled(key_id, enabled=False)

    def enable_key(self, key_id: str) -> None:
        """Let a key that was disabled sign again."""
        self._set_enabled(key_id, enabled=True)

    def list_keys(self) -> tuple[KeyMetadata, ...]:
        """All keys, sorted by id; none where there is no directory yet."""
        keys = [self._target(key_uuid) for key_uuid in self._store.uuids()]
        return tuple(self._describe(key, len(key.versions)) for key in keys)

    def describe_key(self, key_id: str) -> KeyMetadata:
        """What there is to know of a key, disabled or not."""
        return self._describe(*self._resolve(key_id))

    def get_public_key(self, key_id: str) -> PublicKey:
        """The public key of a key's version.

        Raises:
            ProviderError: ``kms-key-disabled``, ``kms-no-public-key``, …
        """
        key, number = self._resolve(key_id)
        _check_enabled(key)
        if material.is_hmac(key.spec):
            raise errors.no_public_key(_urn(key, number))
        return self._public_key(key, number)

    def sign(
        self, key_id: str, message: bytes, message_type: MessageType, signing_algorithm: str
    ) -> bytes:
        """A signature.

        Args:
            key_id: URN, id or alias.
            message: RAW: 1 to 4,096 bytes; DIGEST: as long as the algorithm's digest;
                EXTERNAL_MU: 64 bytes.
            message_type: what the message is.
            signing_algorithm: AWS's name.

        Returns:
            The signature as AWS returns it: DER for ECDSA, else raw.

        Raises:
            ProviderError: ``kms-key-disabled``, ``kms-key-usage``, ``kms-validation``, …
        """
        key, number = self._usable(key_id, SIGN_VERIFY, signing_algorithm)
        public_key = self._public_key(key, number)
        digest = digest_of(public_key, signing_algorithm, message_type, message)
        return material.sign(key.versions[number - 1].material, signing_algorithm, digest)

    def verify(
        self,
        key_id: str,
        message: bytes,
        message_type: MessageType,
        signing_algorithm: str,
        signature: bytes,
    ) -> None:
        """Check a signature; the arguments are those of `sign`.

        Raises:
            VerificationError: ``signature-mismatch``, AWS's KMSInvalidSignatureException.
            ProviderError: see `sign`.
        """
        key, number = self._usable(key_id, SIGN_VERIFY, signing_algorithm)
        public_key = self._public_key(key, number)
        digest = digest_of(public_key, signing_algorithm, message_type, message)
        public_key.verify(signing_algorithm, signature, digest)

    def generate_mac(self, key_id: str, message: bytes, mac_algorithm: str) -> bytes:
        """The HMAC of a message of 1 to 4,096 bytes.

        Raises:
            ProviderError: ``kms-key-disabled``, ``kms-key-usage``, ``kms-validation``, …
        """
        key, number = self._usable(key_id, GENERATE_VERIFY_MAC, mac_algorithm)
        check_raw(message)
        return material.mac(key.versions[number - 1].material, mac_algorithm, message)

    def verify_mac(self, key_id: str, message: bytes, mac_algorithm: str, mac: bytes) -> None:
        """Check an HMAC, in constant time.

        Raises:
            VerificationError: ``signature-mismatch``, AWS's KMSInvalidMacException.
            ProviderError: see `generate_mac`.
        """
        if not hmac.compare_digest(self.generate_mac(key_id, message, mac_algorithm), mac):
            raise VerificationError(
                "signature-mismatch",
                "the embedded KMS answered KMSInvalidMacException: the MAC is not one of the key "
                f"{key_id} over this content ({mac_algorithm})",
                fix="check that it is the right key, and that nothing was altered",
            )

    def _resolve(self, key_id: str) -> tuple[StoredKey, int]:
        """The key that a URN, id or alias names, and the number of the version."""
        match = _KEY_ID.fullmatch(key_id)
        if match:
            key_uuid, pinned = match[1], match[2]
        elif key_id.startswith("alias/"):
            key_uuid, pinned = self._store.aliases().get(key_id, ""), None
        else:
            raise errors.validation(
                f"{key_id!r} is neither a key id nor an alias",
                fix="give alias/NAME, or a key's id as `signer kms list-keys` shows it",
            )
        key = self._store.key(key_uuid)
        if key is None or (pinned and int(pinned) > len(key.versions)):
            raise errors.not_found(key_id)
        return key, int(pinned or len(key.versions))

    def _target(self, key_id: str) -> StoredKey:
        """The key that an operation changes or a name is given to: never one version of it."""
        match = _KEY_ID.fullmatch(key_id)
        if match and match[2]:
            raise errors.validation(
                f"{key_id} names one version, and this is done to a whole key",
                fix=f"leave /{match[2]} away",
            )
        return self._resolve(key_id)[0]

    def _usable(self, key_id: str, usage: str, algorithm: str) -> tuple[StoredKey, int]:
        key, number = self._resolve(key_id)
        _check_enabled(key)
        urn = _urn(key, number)
        if _usage(key.spec) != usage:
            raise errors.invalid_key_usage(
                f"{urn} is a key for {_usage(key.spec)}, not for {usage}",
                fix="use a key of the other kind, or the operation that fits it",
            )
        if algorithm not in KEY_SPECS[key.spec]:
            raise errors.invalid_key_usage(
                f"the algorithm {algorithm} does not fit {urn}, whose spec is {key.spec}",
                fix=f"use one of {', '.join(KEY_SPECS[key.spec])}",
            )
        return key, number

    def _public_key(self, key: StoredKey, number: int) -> PublicKey:
        try:
            public_key = material.public_key(key.versions[number - 1].material)
        except (ValueError, TypeError, UnsupportedAlgorithm, VerificationError) as error:
            raise errors.corrupt(_urn(key, number), "its private key is unreadable") from error
        if public_key.spec != key.spec:
            raise errors.corrupt(_urn(key, number), f"its private key is not of spec {key.spec}")
        return public_key

    def _set_enabled(self, key_id: str, *, enabled: bool) -> None:
        with self._store.writing():
            self._store.write_key(replace(self._target(key_id), enabled=enabled))

    def _describe(self, key: StoredKey, number: int) -> KeyMetadata:
        aliases = self._store.aliases().items()
        return KeyMetadata(
            key_id=_urn(key, number),
            key_spec=key.spec,
            key_usage=_usage(key.spec),
            enabled=key.enabled,
            algorithms=KEY_SPECS[key.spec],
            aliases=tuple(sorted(alias for alias, target in aliases if target == key.uuid)),
            created=tuple(version.created for version in key.versions),
        )


def _urn(key: StoredKey, number: int) -> str:
    return f"{KEY_PREFIX}{key.uuid}/{number}"


def _usage(key_spec: str) -> str:
    return GENERATE_VERIFY_MAC if material.is_hmac(key_spec) else SIGN_VERIFY


def _new_version(key_spec: str) -> Version:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Version(created, material.generate(key_spec))


def _new_key(key_spec: str) -> StoredKey:
    import uuid  # not needed to sign, and slow to import

    return StoredKey(str(uuid.uuid4()), key_spec, enabled=True, versions=(_new_version(key_spec),))


def _check_enabled(key: StoredKey) -> None:
    if not key.enabled:
        raise errors.disabled(KEY_PREFIX + key.uuid)
