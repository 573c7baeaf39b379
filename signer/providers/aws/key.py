"""A key of AWS KMS as a provider, whichever way calls are made.

Source: AWS KMS API reference, ``GetPublicKey``, ``Sign``, ``GenerateMac``, ``VerifyMac``,
``DescribeKey``.
"""

import threading
from datetime import UTC, datetime

from signer.assurance import Assurance
from signer.crypto.algorithms import (
    ALGORITHMS,
    KEY_SPECS,
    MAX_RAW_MESSAGE,
    Scheme,
    algorithm_named,
    choose_algorithm,
)
from signer.crypto.hashers import Hasher, hasher_for
from signer.crypto.keys import PublicKey, signature_mismatch
from signer.errors import ProviderError, UsageError, VerificationError
from signer.providers.aws.access import Access
from signer.providers.aws.api import Api
from signer.providers.aws.calls import Answer, AwsFailure, Calls
from signer.providers.aws.failures import Place, explain
from signer.providers.aws.policy import key_statement
from signer.providers.aws.reference import KeyReference

_NO_PUBLIC_KEY = ("UnsupportedOperationException", "InvalidKeyUsageException")

# A key's ARN names one public key for ever, so one process asks for it once.
_PUBLIC_KEYS: dict[str, PublicKey] = {}
_LOCK = threading.Lock()


class AwsKmsKey:
    """One key with one algorithm; see `signer.providers.Provider`.

    Args:
        name: the value of ``POLICY_SIGNING_PROVIDER``.
        api: KMS, signed in.
        key_id: the key's ARN, whatever alias it was found by: an alias that moves meanwhile
            does not part the signature from its public key.
        algorithm: AWS's name of one that the key offers.
        public_key: None for an HMAC key.
    """

    notes = ()
    warnings = ()

    def __init__(
        self, name: str, api: Api, *, key_id: str, algorithm: str, public_key: PublicKey | None
    ) -> None:
        self.name = name
        self.key_id = key_id
        self.algorithm = algorithm
        self.public_key = public_key
        self._api = api
        self._created: datetime | None = None

    @property
    def assurance(self) -> Assurance:
        """``managed-key``; ``shared-secret`` for an HMAC key: who may verify could sign."""
        return Assurance.SHARED_SECRET if self.public_key is None else Assurance.MANAGED_KEY

    def key_created(self) -> datetime:
        """``CreationDate`` of the key's metadata (API reference, ``KeyMetadata``), asked for once.

        It is the date of the KMS key, of a replica its own: imported or replicated material can
        be older.

        Raises:
            ProviderError: what KMS answered; ``aws-access-denied`` without ``kms:DescribeKey``.
        """
        if self._created is None:
            answer = self._api.ask("kms:DescribeKey", KeyId=self.key_id)
            self._created = creation_date(answer, self.key_id)
        return self._created

    def hasher(self) -> Hasher:
        """A new hasher; its ``digest()`` is of the message type that the key takes."""
        return hasher_for(self.algorithm, self.public_key)

    def sign(self, digest: bytes) -> bytes:
        """The signature or MAC.

        Raises:
            ProviderError: what KMS answered; ``aws-message-length`` before it is asked.
        """
        entry = ALGORITHMS[self.algorithm]
        shortest, longest = (
            (1, MAX_RAW_MESSAGE)
            if entry.digest_length is None
            else (entry.digest_length, entry.digest_length)
        )
        if not shortest <= len(digest) <= longest:  # botocore checks no lengths
            raise ProviderError(
                "aws-message-length",
                f"{self.algorithm} signs {shortest} to {longest} bytes of {entry.message_type}, "
                f"and this message has {len(digest)}",
                fix="sign what the hasher of this key makes.",
            )
        if self.public_key is None:
            answer = self._api.ask(
                "kms:GenerateMac",
                KeyId=self.key_id,
                MacAlgorithm=self.algorithm,
                Message=digest,
            )
            return self._of_this_key(answer, "Mac")
        answer = self._api.ask(
            "kms:Sign",
            KeyId=self.key_id,
            MessageType=entry.message_type.value,
            SigningAlgorithm=self.algorithm,
            Message=digest,
        )
        return self._of_this_key(answer, "Signature")

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Check with the public key, offline; a MAC with KMS.

        Raises:
            VerificationError: ``signature-mismatch``.
            ProviderError: KMS could not be asked (HMAC keys only).
        """
        if self.public_key is not None:
            self.public_key.verify(self.algorithm, signature, digest)
            return
        mac_length = int(self.algorithm.rpartition("_")[2]) // 8
        if len(signature) != mac_length or not digest:  # KMS would call it a wrong parameter
            raise signature_mismatch(self.algorithm, self.key_id)
        try:
            answer = self._api.attempt(
                "kms:VerifyMac",
                KeyId=self.key_id,
                MacAlgorithm=self.algorithm,
                Message=digest,
                Mac=signature,
            )
        except AwsFailure as failure:
            if failure.code == "KMSInvalidMacException":
                raise signature_mismatch(self.algorithm, self.key_id) from failure
            raise explain(failure, "kms:VerifyMac", self._api.place) from failure
        if answer.get("MacValid") is not True:
            raise signature_mismatch(self.algorithm, self.key_id)

    def _of_this_key(self, answer: Answer, member: str) -> bytes:
        self._api.settle()
        signature = answer.get(member)
        if answer.get("KeyId") != self.key_id or not isinstance(signature, bytes):
            raise ProviderError(
                "aws-answer-unexpected",
                f"KMS was asked to sign with {self.key_id}, and answered for "
                f"{str(answer.get('KeyId'))[:200]!r}",
                fix="check AWS_ENDPOINT_URL: something other than AWS KMS may have answered.",
            )
        return signature


def open_key(
    name: str,
    calls: Calls,
    key: KeyReference,
    region: str | None,
    access: Access,
    *,
    algorithm: str | None,
    pinned: PublicKey | None,
    dated: bool = False,
) -> AwsKmsKey:
    """Sign in, find the key and choose the algorithm; nothing is signed yet.

    Args:
        name: the value of ``POLICY_SIGNING_PROVIDER``.
        calls: the way to call AWS.
        key: the key as the user named it.
        region: the region to ask; None for that of the AWS configuration.
        access: how to sign in.
        algorithm: what the user asked for; None for the key's default.
        pinned: the key's public key, where the user has it; KMS is not asked for it then.
        dated: whether `AwsKmsKey.key_created` will be asked, which a session must allow.

    Raises:
        UsageError: ``algorithm-not-offered``, ``aws-pinned-key-needs-arn``, …
        ProviderError: what AWS answered.
    """
    if pinned is not None:  # before anything is asked
        _check_pinned(key, pinned, algorithm)
    api = access.open(
        calls,
        Place(key.text, region),
        lambda role: key_statement(
            key, region, role, algorithm, pinned=pinned is not None, dated=dated
        ),
    )
    return find_key(name, api, key, algorithm=algorithm, pinned=pinned)


def _check_pinned(key: KeyReference, pinned: PublicKey, algorithm: str | None) -> None:
    if not key.is_key_arn:
        raise UsageError(
            "aws-pinned-key-needs-arn",
            f"public-key pins one key, and aws-kms-key is {key.text}",
            fix="set aws-kms-key to the key's whole ARN, or take public-key out.",
        )
    choose_algorithm(algorithm, pinned.spec)


def find_key(
    name: str, api: Api, key: KeyReference, *, algorithm: str | None, pinned: PublicKey | None
) -> AwsKmsKey:
    """`open_key` for who is signed in already; the arguments and errors are those."""
    if pinned is not None:
        _check_pinned(key, pinned, algorithm)
    wants_mac = (
        algorithm is not None and ALGORITHMS[algorithm_named(algorithm)].scheme is Scheme.HMAC
    )
    public_key, key_id = (pinned, key.text) if pinned else (None, "")
    if public_key is None and not wants_mac:
        public_key, key_id = _public_key(api, key)
    if public_key is None:
        key_id, spec = _mac_key(api, key, algorithm if wants_mac else None)
    else:
        spec = public_key.spec
    return AwsKmsKey(
        name,
        api,
        key_id=key_id,
        algorithm=choose_algorithm(algorithm, spec),
        public_key=public_key,
    )


def _public_key(api: Api, key: KeyReference) -> tuple[PublicKey | None, str]:
    """The public key and the key's ARN; None for a key that has none."""
    with _LOCK:
        known = _PUBLIC_KEYS.get(key.text)
    if known is not None:
        return known, key.text
    try:
        answer = api.attempt("kms:GetPublicKey", KeyId=key.text)
    except AwsFailure as failure:
        if failure.code in _NO_PUBLIC_KEY:
            return None, ""
        raise explain(failure, "kms:GetPublicKey", api.place) from failure
    if answer.get("KeyUsage") != "SIGN_VERIFY":
        raise explain(
            AwsFailure(
                "InvalidKeyUsageException", f"{answer['KeyId']} is for {answer.get('KeyUsage')}"
            ),
            "kms:Sign",
            api.place,
        )
    try:
        public_key = PublicKey.from_der(answer["PublicKey"])
    except VerificationError as error:
        raise ProviderError(
            "aws-key-usage",
            f"{answer['KeyId']} is of the spec {answer.get('KeySpec')}: {error.message}",
            fix=error.fix,
        ) from error
    arn = str(answer["KeyId"])
    with _LOCK:
        _PUBLIC_KEYS[arn] = public_key
    return public_key, arn


def _mac_key(api: Api, key: KeyReference, algorithm: str | None) -> tuple[str, str]:
    """An HMAC key's ARN and spec. It is asked for only where the user did not name both."""
    if algorithm is not None and key.is_key_arn:
        return key.text, f"HMAC_{algorithm_named(algorithm).rpartition('_')[2]}"
    metadata = api.ask("kms:DescribeKey", KeyId=key.text)["KeyMetadata"]
    arn, spec = str(metadata["Arn"]), str(metadata.get("KeySpec"))
    if spec not in KEY_SPECS or metadata.get("KeyUsage") != "GENERATE_VERIFY_MAC":
        raise explain(
            AwsFailure(
                "InvalidKeyUsageException",
                f"{arn} is of the spec {spec}, for {metadata.get('KeyUsage')}",
            ),
            "kms:Sign",
            api.place,
        )
    return arn, spec


def creation_date(answer: Answer, key_id: str) -> datetime:
    """The date in an answer of DescribeKey: boto3's datetime, or the command line's text.

    Version 1 of the command line prints seconds since 1970 unless it is configured otherwise.

    Raises:
        ProviderError: ``aws-answer-unexpected``.
    """
    metadata = answer.get("KeyMetadata", {})
    created = metadata.get("CreationDate")
    try:
        if isinstance(created, int | float):
            created = datetime.fromtimestamp(created, UTC)
        elif isinstance(created, str):
            created = datetime.fromisoformat(created)
        if metadata.get("Arn") == key_id and isinstance(created, datetime):
            return created.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ProviderError(
        "aws-answer-unexpected",
        f"KMS was asked when {key_id} was made, and answered {str(created)[:80]!r} for "
        f"{str(metadata.get('Arn'))[:200]!r}",
        fix="check AWS_ENDPOINT_URL: something other than AWS KMS may have answered.",
    )
