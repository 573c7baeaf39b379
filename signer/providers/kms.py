"""The embedded KMS as a provider: a simulation, whose keys are files (assurance ``software-key``).

Needs no permissions but those of the directory: readable, for the first use of an alias also
writable, by the user it runs as, and by no other (mode 0700). Its HMAC keys give the assurance
``shared-secret``, because whoever can check with them can also sign.
"""

from datetime import UTC, datetime
from pathlib import Path

from signer.assurance import Assurance
from signer.crypto.algorithms import ALGORITHMS, MessageType, choose_algorithm, new_key_spec
from signer.crypto.hashers import Hasher, hasher_for
from signer.crypto.keys import PublicKey
from signer.kms.errors import corrupt, disabled
from signer.kms.service import GENERATE_VERIFY_MAC, EmbeddedKms


class KmsKey:
    """One version of one key; see `signer.providers.Provider`.

    Attributes:
        created: whether the key was made just now, by the first use of its alias.
    """

    name = "kms"
    warnings = ()

    def __init__(
        self,
        kms: EmbeddedKms,
        *,
        key_id: str,
        algorithm: str,
        public_key: PublicKey | None,
        created: bool,
    ) -> None:
        self._kms = kms
        self.key_id = key_id
        self.algorithm = algorithm
        self.public_key = public_key
        self.created = created

    @property
    def assurance(self) -> Assurance:
        """``software-key``; ``shared-secret`` for an HMAC key."""
        return Assurance.SHARED_SECRET if self.public_key is None else Assurance.SOFTWARE_KEY

    @property
    def notes(self) -> tuple[str, ...]:
        """That it is a simulation, and whether the key was made just now."""
        simulation = (
            "the embedded software KMS is a simulation: its keys are files, which can be copied "
            f"(assurance {self.assurance})"
        )
        return (
            (simulation, "the key is new: this was its first use")
            if self.created
            else (simulation,)
        )

    def key_created(self) -> datetime:
        """When this version of the key was made, as its file says.

        Raises:
            ProviderError: the key was removed meanwhile, or its file is damaged.
        """
        created = self._kms.describe_key(self.key_id).created[self._version - 1]
        try:
            return datetime.fromisoformat(created).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise corrupt(self.key_id, "it does not say when it was made") from error

    def hasher(self) -> Hasher:
        """A new hasher; its ``digest()`` is of the message type that the key takes."""
        return hasher_for(self.algorithm, self.public_key)

    def sign(self, digest: bytes) -> bytes:
        """The signature or MAC.

        Raises:
            ProviderError: the key was disabled or removed meanwhile, or the message is empty.
        """
        if self.public_key is None:
            return self._kms.generate_mac(self.key_id, digest, self.algorithm)
        return self._kms.sign(self.key_id, digest, self._message_type, self.algorithm)

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Check with the public key; a MAC with the KMS.

        Raises:
            VerificationError: ``signature-mismatch``.
            ProviderError: the key was disabled or removed meanwhile (HMAC keys only).
        """
        if self.public_key is None:
            self._kms.verify_mac(self.key_id, digest, self.algorithm, signature)
        else:
            self.public_key.verify(self.algorithm, signature, digest)

    @property
    def _version(self) -> int:
        return int(self.key_id.rpartition("/")[2])

    @property
    def _message_type(self) -> MessageType:
        return ALGORITHMS[self.algorithm].message_type


def open_key(
    key: str, directory: Path, algorithm: str | None = None, *, create: bool = True
) -> KmsKey:
    """The provider for a key of the embedded KMS; an alias that names none yet gets a new key.

    Args:
        key: ``alias/NAME``, a key's id, or its URN, with or without a version.
        directory: where the keys are.
        algorithm: what the user asked for, in AWS's or Azure's name; None for the key's default.
            A new key is of the spec that fits it, ``ECC_NIST_P256`` by default.
        create: False where a key is only to be verified with.

    Raises:
        UsageError: ``algorithm-unknown``, or ``algorithm-not-offered`` by this key.
        ProviderError: not found, disabled, or the directory is exposed, unusable or corrupt.
    """
    kms = EmbeddedKms(directory)
    created = create and key.startswith("alias/") and kms.ensure_alias(key, new_key_spec(algorithm))
    metadata = kms.describe_key(key)
    chosen = choose_algorithm(algorithm, metadata.key_spec)
    is_mac = metadata.key_usage == GENERATE_VERIFY_MAC
    if not metadata.enabled:
        raise disabled(metadata.key_id)
    return KmsKey(
        kms,
        key_id=metadata.key_id,
        algorithm=chosen,
        public_key=None if is_mac else kms.get_public_key(metadata.key_id),
        created=created,
    )
