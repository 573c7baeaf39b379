"""A key of AWS KMS, however calls are made: what is asked, how often, and what holds."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from signer.errors import ProviderError, UsageError, VerificationError
from signer.kms.service import EmbeddedKms
from signer.providers.aws import key as aws_key
from signer.providers.aws.calls import Answer, AwsFailure
from signer.providers.aws.reference import parse_key

from .support import REGION, FakeCalls, Said, arn_of

MESSAGE = b"what is signed"


@pytest.fixture(autouse=True)
def no_known_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_key, "_PUBLIC_KEYS", {})


def _open(
    calls: FakeCalls, key: str, said: Said | None = None, **options: Any
) -> aws_key.AwsKmsKey:
    known = {"algorithm": None, "pinned": None, **options}
    access = (said or Said()).access()
    return aws_key.open_key("aws_kms_sdk", calls, parse_key(key), REGION, access, **known)


def _arn(directory: Path, spec: str) -> str:
    return arn_of(EmbeddedKms(directory).describe_key(f"alias/{spec}").key_id)


def _sign(key: aws_key.AwsKmsKey) -> bytes:
    hasher = key.hasher()
    hasher.update(MESSAGE)
    signature = key.sign(hasher.digest())
    key.verify(signature, hasher.digest())
    return signature


def test_the_key_id_is_the_arn_whatever_the_alias(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    assert key.key_id == _arn(kms_directory, "ECC_NIST_P256")
    _sign(key)
    assert calls.operations == ["kms:GetPublicKey", "kms:Sign"]
    assert calls.asked[1][1]["KeyId"] == key.key_id


def test_the_public_key_of_an_arn_is_asked_for_once(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    arn = _arn(kms_directory, "ECC_NIST_P256")
    for _ in range(3):
        _sign(_open(calls, arn))
    assert calls.operations.count("kms:GetPublicKey") == 1


def test_a_pinned_key_needs_nothing_but_sign(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    pinned = EmbeddedKms(kms_directory).get_public_key("alias/ECC_NIST_P256")
    key = _open(calls, _arn(kms_directory, "ECC_NIST_P256"), pinned=pinned)
    _sign(key)
    assert calls.operations == ["kms:Sign"]


def test_a_pinned_key_needs_the_arn(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    pinned = EmbeddedKms(kms_directory).get_public_key("alias/ECC_NIST_P256")
    with pytest.raises(UsageError) as refusal:
        _open(calls, "alias/ECC_NIST_P256", pinned=pinned)
    assert refusal.value.code == "aws-pinned-key-needs-arn"
    assert calls.asked == []


@pytest.mark.parametrize(
    ("spec", "message_type"),
    [
        ("RSA_2048", "DIGEST"),
        ("ECC_NIST_P521", "DIGEST"),
        ("ML_DSA_65", "EXTERNAL_MU"),
        ("ECC_NIST_EDWARDS25519", "RAW"),
    ],
)
def test_each_kind_of_key_has_one_message_type(
    kms_directory: Path, spec: str, message_type: str
) -> None:
    calls = FakeCalls(kms_directory)
    _sign(_open(calls, f"alias/{spec}"))
    assert calls.asked[-1][1]["MessageType"] == message_type


def test_an_hmac_key_is_found_by_what_it_is(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/HMAC_384")
    assert (key.algorithm, key.public_key) == ("HMAC_SHA_384", None)
    _sign(key)
    assert calls.operations == [
        "kms:GetPublicKey",
        "kms:DescribeKey",
        "kms:GenerateMac",
        "kms:VerifyMac",
    ]


def test_an_hmac_key_whose_arn_and_algorithm_are_named_is_not_looked_up(
    kms_directory: Path,
) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, _arn(kms_directory, "HMAC_256"), algorithm="HMAC_SHA_256")
    _sign(key)
    assert calls.operations == ["kms:GenerateMac", "kms:VerifyMac"]


def test_the_date_is_asked_for_when_it_is_wanted_and_once(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    _sign(key)
    assert "kms:DescribeKey" not in calls.operations
    assert key.key_created() == key.key_created()
    assert calls.operations.count("kms:DescribeKey") == 1
    assert calls.asked[-1][1] == {"KeyId": key.key_id}


@pytest.mark.parametrize(
    ("operation", "answer", "missing"),
    [
        ("GetPublicKey", {}, "KeyId"),
        ("GetPublicKey", {"KeyId": "arn:…", "KeyUsage": "SIGN_VERIFY"}, "PublicKey"),
        ("Sign", {"Signature": b"x"}, "KeyId"),
        ("DescribeKey", {"KeyMetadata": "none"}, "KeyMetadata.Arn"),
    ],
)
def test_what_answers_something_else_is_told_and_no_crash(
    kms_directory: Path, operation: str, answer: Answer, missing: str
) -> None:
    calls = FakeCalls(kms_directory)
    setattr(calls, operation, lambda **_parameters: answer)
    with pytest.raises(ProviderError, match=f"the answer of kms:{operation} has no {missing}"):
        _sign(
            _open(calls, "alias/HMAC_384" if operation == "DescribeKey" else "alias/ECC_NIST_P256")
        )


MADE = datetime(2025, 6, 30, 22, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    "answered",
    [
        MADE.astimezone(timezone(timedelta(hours=2))),  # boto3: in the machine's own zone
        "2025-07-01T00:01:02+02:00",  # version 2 of the command line
        "2025-06-30T22:01:02Z",
        MADE.timestamp(),  # version 1
        int(MADE.timestamp()),
    ],
)
def test_every_form_of_a_date_is_understood(kms_directory: Path, answered: object) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    metadata = {"Arn": key.key_id, "CreationDate": answered}
    calls.DescribeKey = lambda **_: {"KeyMetadata": metadata}  # type: ignore[method-assign]
    created = key.key_created()
    assert created == MADE
    assert created.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"CreationDate": None},
        {"CreationDate": "yesterday"},
        {"CreationDate": 1e300},
        {"CreationDate": float("nan")},
        {"CreationDate": MADE, "Arn": "arn:other"},
    ],
)
def test_a_date_that_is_none_or_another_keys_is_refused(
    kms_directory: Path, metadata: dict[str, object]
) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    whole = {"Arn": key.key_id, **metadata}
    calls.DescribeKey = lambda **_: {"KeyMetadata": whole}  # type: ignore[method-assign]
    with pytest.raises(ProviderError) as refusal:
        key.key_created()
    assert refusal.value.code == "aws-answer-unexpected"


def test_who_may_not_ask_for_the_date_is_told_what_allows_it(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    said = (
        "User: arn:aws:sts::111122223333:assumed-role/audit/x is not authorized to perform: "
        f"kms:DescribeKey on resource: {key.key_id} because no identity-based policy allows it"
    )
    calls.failures.append(AwsFailure("AccessDeniedException", said))
    with pytest.raises(ProviderError) as refusal:
        key.key_created()
    assert refusal.value.code == "aws-access-denied"
    assert "kms:DescribeKey failed: AccessDeniedException" in refusal.value.message
    statement = {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": key.key_id}
    assert json.dumps(statement) in refusal.value.fix


def test_an_hmac_algorithm_for_another_key_is_refused(kms_directory: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        _open(FakeCalls(kms_directory), "alias/HMAC_256", algorithm="HMAC_SHA_512")
    assert refusal.value.code == "algorithm-not-offered"
    with pytest.raises(ProviderError) as failure:
        _open(FakeCalls(kms_directory), "alias/ECC_NIST_P256", algorithm="HMAC_SHA_256")
    assert failure.value.code == "aws-key-usage"


def test_a_key_for_another_use_is_refused(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    known = calls.GetPublicKey("alias/RSA_2048")
    calls.GetPublicKey = lambda **_: {**known, "KeyUsage": "ENCRYPT_DECRYPT"}  # type: ignore[method-assign]
    with pytest.raises(ProviderError) as refusal:
        _open(calls, "alias/RSA_2048")
    assert refusal.value.code == "aws-key-usage"


@pytest.mark.parametrize("length", [0, 31, 33, 4097])
def test_lengths_are_checked_before_anything_is_asked(kms_directory: Path, length: int) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    with pytest.raises(ProviderError) as refusal:
        key.sign(bytes(length))
    assert refusal.value.code == "aws-message-length"
    assert "kms:Sign" not in calls.operations


def test_an_answer_for_another_key_is_refused(kms_directory: Path) -> None:
    calls = FakeCalls(kms_directory)
    key = _open(calls, "alias/ECC_NIST_P256")
    calls.Sign = lambda **_: {"KeyId": "arn:other", "Signature": b"x"}  # type: ignore[method-assign]
    with pytest.raises(ProviderError) as refusal:
        key.sign(bytes(32))
    assert refusal.value.code == "aws-answer-unexpected"


@pytest.mark.parametrize(
    "failure",
    [
        AwsFailure("ThrottlingException", "Rate exceeded", "request-7"),
        AwsFailure("KMSInternalException", ""),
        AwsFailure("DependencyTimeoutException", ""),
        AwsFailure("KeyUnavailableException", ""),
        AwsFailure("EndpointConnectionError", "Could not connect"),
        AwsFailure("KMSInvalidStateException", "arn:… is creating."),
    ],
    ids=lambda failure: failure.code,
)
def test_what_passes_is_asked_again_and_told(kms_directory: Path, failure: AwsFailure) -> None:
    said = Said()
    calls = FakeCalls(kms_directory, [failure, failure])
    _sign(_open(calls, "alias/ECC_NIST_P256", said))
    retries = [line for line in said.lines if "retry" in line]
    assert len(retries) == 2
    assert all(failure.code in line for line in retries)
    assert all((failure.request_id or "") in line for line in retries)


def test_a_command_that_hung_is_run_again(kms_directory: Path) -> None:
    said = Said()
    hung = ProviderError("command-timeout", "aws did not end", fix="check the network.")
    calls = FakeCalls(kms_directory, [hung])
    _sign(_open(calls, "alias/ECC_NIST_P256", said))
    assert calls.operations == ["kms:GetPublicKey", "kms:GetPublicKey", "kms:Sign"]
    assert any("aws did not end; retry 1" in line for line in said.lines)
    missing = ProviderError("command-failed", "aws could not be started", fix="look.")
    with pytest.raises(ProviderError):
        _open(FakeCalls(kms_directory, [missing]), "alias/ECC_NIST_P256")


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "DisabledException", "NotFoundException"]
)
def test_what_stays_is_asked_once(kms_directory: Path, code: str) -> None:
    calls = FakeCalls(kms_directory, [AwsFailure(code, "", "request-9")])
    said = Said()
    with pytest.raises(ProviderError):
        _open(calls, "alias/ECC_NIST_P256", said)
    assert calls.operations == ["kms:GetPublicKey"]
    assert any("request-9" in line for line in said.lines)


def test_patience_ends_with_the_time_limit(kms_directory: Path) -> None:
    said = Said()
    calls = FakeCalls(kms_directory, [AwsFailure("ThrottlingException", "")] * 1000)
    access = dataclasses.replace(said.access(), timeout=0.4)
    with pytest.raises(ProviderError) as refusal:
        aws_key.open_key(
            "aws_kms",
            calls,
            parse_key("alias/ECC_NIST_P256"),
            REGION,
            access,
            algorithm=None,
            pinned=None,
        )
    assert refusal.value.code == "aws-throttled"


def test_the_log_says_which_credential_it_was(kms_directory: Path) -> None:
    said = Said()
    _sign(_open(FakeCalls(kms_directory), "alias/ECC_NIST_P256", said))
    assert "AWS credential: env, access key AKIAEXAMPLE" in said.lines
    assert "AWS caller: arn:aws:iam::111122223333:user/ci" in said.lines
    assert "kms:GetPublicKey: request request-1" in said.lines


def test_another_mac_is_not_this_keys(kms_directory: Path) -> None:
    key = _open(FakeCalls(kms_directory), "alias/HMAC_256")
    for wrong in (b"", bytes(31), bytes(32)):
        with pytest.raises(VerificationError) as refusal:
            key.verify(wrong, MESSAGE)
        assert refusal.value.code == "signature-mismatch"
