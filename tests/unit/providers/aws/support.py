"""AWS without AWS: the embedded KMS behind the API's own names, and answers that are ordered."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from signer.crypto.algorithms import MessageType
from signer.errors import VerificationError
from signer.kms.service import EmbeddedKms
from signer.providers.aws.access import Access
from signer.providers.aws.calls import Answer, AwsFailure, Credentials
from signer.providers.host import Host

ACCOUNT = "111122223333"
REGION = "eu-central-1"


def arn_of(key_id: str) -> str:
    """The ARN under which a key of the embedded KMS is known here."""
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key_id.split('/')[1]}"


@dataclass
class Said:
    """What a provider told its host."""

    lines: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    audiences: list[str] = field(default_factory=list)

    def host(self, environ: Mapping[str, str] | None = None, token: str = "a.b.c") -> Host:
        """A host that keeps what it is told."""

        def identity_token(audience: str) -> str:
            self.audiences.append(audience)
            return token

        return Host(
            environ=environ or {},
            notify=self.lines.append,
            mask=self.masked.append,
            identity_token=identity_token,
            offers_identity_token=True,
            cleanup=ExitStack(),
            session_name="example/policies-7000000001-1",
        )

    def access(self, **changes: Any) -> Access:
        """Access with short patience."""
        known: dict[str, Any] = {
            "region": None,
            "role": None,
            "audience": "sts.amazonaws.com",
            "timeout": 5.0,
            "host": self.host(),
        }
        return Access(**{**known, **changes})


class FakeCalls:
    """The operations of KMS, done by the embedded one; failures come first, in their order."""

    longest_attempt = 0.0

    def __init__(self, directory: Path, failures: Sequence[Exception] = ()) -> None:
        self._kms = EmbeddedKms(directory)
        self.failures = list(failures)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.credentials: Credentials | None = None
        self._lock = threading.Lock()

    def call(
        self, operation: str, parameters: Mapping[str, str | int | bytes], deadline: float
    ) -> Answer:
        if operation == "sts:GetCallerIdentity":
            return {"Arn": f"arn:aws:iam::{ACCOUNT}:user/ci"}
        with self._lock:
            self.asked.append((operation, dict(parameters)))
            if self.failures:
                raise self.failures.pop(0)
        answer: Answer = getattr(self, operation.partition(":")[2])(**parameters)
        return answer

    def with_credentials(self, credentials: Credentials) -> Self:
        self.credentials = credentials
        return self

    def credential(self) -> str:
        return "env, access key AKIAEXAMPLE"

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def GetPublicKey(self, KeyId: str) -> Answer:  # noqa: N802, N803
        metadata = self._kms.describe_key(_own(KeyId))
        if metadata.key_usage != "SIGN_VERIFY":
            raise AwsFailure("UnsupportedOperationException", "no public key")
        return {
            "KeyId": arn_of(metadata.key_id),
            "KeySpec": metadata.key_spec,
            "KeyUsage": metadata.key_usage,
            "PublicKey": self._kms.get_public_key(metadata.key_id).der,
            "SigningAlgorithms": list(metadata.algorithms),
            "ResponseMetadata": {"RequestId": "request-1"},
        }

    def Sign(  # noqa: N802
        self,
        KeyId: str,  # noqa: N803
        Message: bytes,  # noqa: N803
        MessageType: str,  # noqa: N803
        SigningAlgorithm: str,  # noqa: N803
    ) -> Answer:
        kind = _message_type(MessageType)
        return {
            "KeyId": KeyId,
            "Signature": self._kms.sign(_own(KeyId), Message, kind, SigningAlgorithm),
        }

    def GenerateMac(self, KeyId: str, Message: bytes, MacAlgorithm: str) -> Answer:  # noqa: N802, N803
        mac = self._kms.generate_mac(_own(KeyId), Message, MacAlgorithm)
        return {"KeyId": KeyId, "Mac": mac}

    def VerifyMac(  # noqa: N802
        self,
        KeyId: str,  # noqa: N803
        Message: bytes,  # noqa: N803
        MacAlgorithm: str,  # noqa: N803
        Mac: bytes,  # noqa: N803
    ) -> Answer:
        try:
            self._kms.verify_mac(_own(KeyId), Message, MacAlgorithm, Mac)
        except VerificationError as error:
            raise AwsFailure("KMSInvalidMacException", "") from error
        return {"KeyId": KeyId, "MacValid": True}

    def DescribeKey(self, KeyId: str) -> Answer:  # noqa: N802, N803
        metadata = self._kms.describe_key(_own(KeyId))
        known = {
            "KeySpec": metadata.key_spec,
            "KeyUsage": metadata.key_usage,
            "CreationDate": datetime.fromisoformat(metadata.created[-1]),
        }
        return {"KeyMetadata": {"Arn": arn_of(metadata.key_id), **known}}


def _own(key_id: str) -> str:
    return key_id.rpartition(":key/")[2] if key_id.startswith("arn:") else key_id


def _message_type(name: str) -> MessageType:
    return MessageType(name)
