"""Calls through boto3: botocore's own stub and doubles, no network."""

import time
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.loaders import Loader
from botocore.stub import Stubber

from signer.providers.aws.api import Api
from signer.providers.aws.calls import AwsFailure, Credentials
from signer.providers.aws.failures import Place
from signer.providers.aws.key import AwsKmsKey
from signer.providers.aws.sdk import SERVICES, SdkCalls

from .support import Said

CREDENTIALS = Credentials("ASIAEXAMPLE", "the secret part", "the session token")
KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> SdkCalls:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return SdkCalls("eu-central-1", 60.0, credentials=CREDENTIALS)


def _stub(calls: SdkCalls, service: str = "kms") -> Stubber:
    stubber = Stubber(calls._client(service, signed=True))
    stubber.activate()
    return stubber


def _deadline() -> float:
    return time.monotonic() + 60


def test_an_answer_is_botocores(calls: SdkCalls) -> None:
    with _stub(calls) as stubber:
        stubber.add_response(
            "sign",
            {"KeyId": KEY, "Signature": b"signature", "SigningAlgorithm": "ECDSA_SHA_256"},
            {
                "KeyId": KEY,
                "Message": bytes(32),
                "MessageType": "DIGEST",
                "SigningAlgorithm": "ECDSA_SHA_256",
            },
        )
        answer = calls.call(
            "kms:Sign",
            {
                "KeyId": KEY,
                "Message": bytes(32),
                "MessageType": "DIGEST",
                "SigningAlgorithm": "ECDSA_SHA_256",
            },
            _deadline(),
        )
    assert (answer["KeyId"], answer["Signature"]) == (KEY, b"signature")


def test_a_date_of_a_key_is_botocores(calls: SdkCalls) -> None:
    made = datetime(2025, 6, 30, 22, 1, 2, tzinfo=UTC)
    with _stub(calls) as stubber:
        metadata = {"KeyId": KEY.rpartition("/")[2], "Arn": KEY, "CreationDate": made}
        stubber.add_response("describe_key", {"KeyMetadata": metadata}, {"KeyId": KEY})
        access = Said().access()
        api = Api(calls, 60.0, access.host.notify, Place(KEY, "eu-central-1"))
        key = AwsKmsKey("aws_kms_sdk", api, key_id=KEY, algorithm="ECDSA_SHA_256", public_key=None)
        assert key.key_created() == made


@pytest.mark.parametrize(
    "code",
    ["DisabledException", "AccessDeniedException", "ThrottlingException", "ExpiredTokenException"],
)
def test_an_error_is_known_by_its_code_modelled_or_not(calls: SdkCalls, code: str) -> None:
    with _stub(calls) as stubber:
        stubber.add_client_error(
            "get_public_key",
            service_error_code=code,
            service_message="said so",
            http_status_code=400,
            response_meta={"RequestId": "request-1"},
        )
        with pytest.raises(AwsFailure) as failure:
            calls.call("kms:GetPublicKey", {"KeyId": KEY}, _deadline())
    assert failure.value.code == code
    assert failure.value.message == "said so"
    assert failure.value.request_id == "request-1"


def test_one_attempt_only_because_each_retry_is_told(calls: SdkCalls) -> None:
    config = calls._client("kms", signed=True).meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.connect_timeout + config.read_timeout <= 30


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (EndpointConnectionError(endpoint_url="https://kms"), "EndpointConnectionError"),
        (NoCredentialsError(), "NoCredentialsError"),
        (OSError("broken pipe"), "ConnectionError"),
        (ValueError("Invalid endpoint: https://kms..amazonaws.com"), "InvalidEndpointError"),
    ],
)
def test_what_fails_on_this_side_has_botocores_name(
    calls: SdkCalls, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(calls._client("kms", signed=True), "get_public_key", fail)
    with pytest.raises(AwsFailure) as failure:
        calls.call("kms:GetPublicKey", {"KeyId": KEY}, _deadline())
    assert failure.value.code == code


def test_the_credential_is_told_without_its_secret(
    calls: SdkCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calls.credential() == "assumed role, access key ASIAEXAMPLE"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the secret part")
    assert SdkCalls("eu-central-1", 60.0).credential() == "env, access key AKIAEXAMPLE"
    assert "secret" not in repr(CREDENTIALS)


def test_no_credential_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(AwsFailure) as failure:
        SdkCalls("eu-central-1", 60.0).credential()
    assert failure.value.code == "NoCredentialsError"


def test_a_web_identity_is_exchanged_without_looking_for_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core = botocore.session.get_session()

    def refuse() -> None:
        raise AssertionError("looked for credentials")

    monkeypatch.setattr(core, "get_credentials", refuse)
    calls = SdkCalls("eu-central-1", 60.0, session=core)
    client = calls._client("sts", signed=False)
    assert client.meta.region_name == "eu-central-1"


@pytest.mark.parametrize("service", [*SERVICES, "sso", "sso-oidc", "signin"])
def test_the_chain_of_credentials_has_the_services_that_it_asks(
    calls: SdkCalls, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    looked: list[str] = []
    whole = Loader.list_available_services

    def list_all(self: Loader, type_name: str) -> list[str]:
        looked.append(type_name)
        found: list[str] = whole(self, type_name)
        return found

    monkeypatch.setattr(Loader, "list_available_services", list_all)
    made = calls._core.create_client(service, region_name="eu-central-1")
    assert made.meta.service_model.service_name == service
    assert bool(looked) == (service not in SERVICES)  # the walk takes longer than a signature


def test_what_refuses_a_profiles_role_is_a_failure_like_others(
    calls: SdkCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = {"Error": {"Code": "AccessDenied", "Message": "not authorized"}}

    def refuse() -> None:
        raise ClientError(refusal, "AssumeRole")

    monkeypatch.setattr(calls._core, "get_credentials", refuse)
    with pytest.raises(AwsFailure) as failure:
        SdkCalls("eu-central-1", 60.0, session=calls._core).credential()
    assert (failure.value.code, failure.value.message) == ("AccessDenied", "not authorized")
