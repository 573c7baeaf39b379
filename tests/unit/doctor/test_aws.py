"""A key of AWS KMS: botocore's own stub holds every call to the service's model."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from signer.crypto.keys import PublicKey
from signer.doctor.aws import look_at_key
from signer.doctor.findings import Findings
from signer.errors import ProviderError
from signer.providers.aws import key as aws_key
from signer.providers.aws.calls import Credentials
from signer.providers.aws.sdk import SdkCalls
from tests.unit.doctor.support import Said, by_name, looked, settings, statuses
from tests.unit.support import Keys

ACCOUNT = "111122223333"
ARN = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/policy-audit/acme-1"
MADE = datetime(2026, 1, 2, tzinfo=UTC)
DENIED = "AccessDeniedException"
DRY = "DryRunOperationException"
POLICY = (
    '{"Statement":{"Effect":"Allow","Action":"kms:*","Principal":{"AWS":'
    f'"arn:aws:iam::{ACCOUNT}:root"}}}}}}'
)


class Stub:
    """AWS KMS and STS, which answer what is ordered, and only what is asked in that order."""

    def __init__(self, public_key: PublicKey) -> None:
        credentials = Credentials("ASIAEXAMPLE", "the-secret-part", "the-session-token")
        self.calls = SdkCalls("eu-central-1", 5.0, credentials=credentials)
        self.public_key = public_key
        self._stubs = {
            name: Stubber(self.calls._client(name, signed=True)) for name in ("kms", "sts")
        }
        for stub in self._stubs.values():
            stub.activate()

    def caller(self, arn: str = ROLE, date: str = "") -> None:
        answer: dict[str, Any] = {"UserId": "AROAEXAMPLE:x", "Account": ACCOUNT, "Arn": arn}
        if date:
            answer["ResponseMetadata"] = {"HTTPHeaders": {"date": date}}
        self._stubs["sts"].add_response("get_caller_identity", answer, {})

    def nobody(self, code: str) -> None:
        self._stubs["sts"].add_client_error("get_caller_identity", code)

    def described(self, asked: str = ARN, **changes: Any) -> None:
        metadata = {
            "KeyId": ARN.rpartition("/")[2],
            "Arn": ARN,
            "KeyState": "Enabled",
            "KeyUsage": "SIGN_VERIFY",
            "KeySpec": "ECC_NIST_P256",
            "CreationDate": MADE,
            **changes,
        }
        self._stubs["kms"].add_response("describe_key", {"KeyMetadata": metadata}, {"KeyId": asked})

    def read(self, asked: str = ARN, der: bytes | None = None) -> None:
        answer = {
            "KeyId": ARN,
            "KeyUsage": "SIGN_VERIFY",
            "KeySpec": "ECC_NIST_P256",
            "PublicKey": der or self.public_key.der,
        }
        self._stubs["kms"].add_response("get_public_key", answer, {"KeyId": asked})

    def dry_run(self, code: str, operation: str = "sign", **asked: Any) -> None:
        asked = asked or {"MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
        expected = {"KeyId": ARN, "Message": ANY, "DryRun": True, **asked}
        self._stubs["kms"].add_client_error(
            operation, code, "in its own words", expected_params=expected
        )

    def signs(self) -> None:
        answer = {"KeyId": ARN, "Signature": b"s", "SigningAlgorithm": "ECDSA_SHA_256"}
        self._stubs["kms"].add_response("sign", answer)

    def policy(self, text: str = POLICY) -> None:
        asked = {"KeyId": ARN, "PolicyName": "default"}
        self._stubs["kms"].add_response("get_key_policy", {"Policy": text}, asked)

    def refuse(self, operation: str, code: str = DENIED, message: str = "no") -> None:
        self._stubs["kms"].add_client_error(operation, code, message)

    def done(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def stub(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(aws_key, "_PUBLIC_KEYS", {})
    public_key = keys.open().public_key
    assert public_key is not None
    one = Stub(public_key)
    monkeypatch.setattr("signer.providers.aws.sdk.SdkCalls", lambda *_: one.calls)
    yield one
    one.done()


def _look(key: str = ARN, *, dated: bool = False, **given: Any) -> Findings:
    chosen = {"provider": "aws_kms_sdk", "aws_kms_key": key, **given}
    host = Said().host({"AWS_REGION": "eu-central-1"})
    return looked(look_at_key, settings(**chosen), host, dated=dated)


def test_a_key_that_signs(stub: Stub) -> None:
    stub.caller(date="Thu, 01 Jan 2026 00:00:00 GMT")
    stub.described("alias/audit")
    stub.read("alias/audit")
    stub.dry_run(DRY)
    stub.policy()
    found = _look("alias/audit")
    assert statuses(found.checks) == dict.fromkeys(
        ("region", "credentials", "key", "public-key", "dry-run", "key-policy"), "ok"
    )
    checks = by_name(found.checks)
    assert checks["credentials"].detail == f"assumed role, access key ASIAEXAMPLE: {ROLE}"
    assert checks["key"].detail == f"{ARN}: ECC_NIST_P256, SIGN_VERIFY, Enabled, ECDSA_SHA_256"
    assert checks["public-key"].detail == stub.public_key.fingerprint
    assert f"arn:aws:iam::{ACCOUNT}:role/policy-audit" in checks["key-policy"].detail
    assert found.provider is not None
    assert (found.provider.key_id, found.created) == (ARN, MADE)
    then = datetime(2026, 1, 1, tzinfo=UTC) - datetime.now(UTC)
    assert found.ahead == pytest.approx(then.total_seconds(), abs=5)


def test_nothing_but_signing_is_allowed_and_nothing_fails(stub: Stub) -> None:
    stub.caller()
    message = f"User: {ROLE} is not authorized to perform: kms:DescribeKey on resource: {ARN}"
    stub.refuse("describe_key", message=message)
    stub.read()
    stub.dry_run(DRY)
    stub.refuse("get_key_policy")
    found = _look()
    skipped = {"key": "skip", "key-policy": "skip"}
    assert statuses(found.checks) == {
        "region": "ok", "credentials": "ok", "public-key": "ok", "dry-run": "ok", **skipped
    }  # fmt: skip
    check = by_name(found.checks)["key"]
    assert '"Action": "kms:DescribeKey"' in check.fix
    assert ROLE in check.fix
    assert found.created is None
    assert "kms:DescribeKey" in found.no_age


@pytest.mark.parametrize(
    ("changes", "code", "exit_code"),
    [
        ({"KeyState": "Disabled"}, "aws-key-disabled", 3),
        ({"KeyState": "PendingDeletion"}, "aws-key-pending-deletion", 3),
        ({"KeyState": "PendingReplicaDeletion"}, "aws-key-pending-deletion", 3),
        ({"KeyState": "PendingImport"}, "aws-key-state", 3),
        ({"KeyState": "Unavailable"}, "aws-key-state", 3),
        ({"KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "RSA_2048"}, "aws-key-usage", 3),
        ({"KeySpec": "ECC_NIST_P384"}, "algorithm-not-offered", 2),
    ],
)
def test_a_key_that_would_not_sign(
    stub: Stub, changes: dict[str, str], code: str, exit_code: int
) -> None:
    stub.caller()
    stub.described(**changes)
    stub.policy()
    found = _look(algorithm="ECDSA_SHA_256")
    check = by_name(found.checks)["key"]
    assert (check.status, check.code, check.exit_code) == ("fail", code, exit_code)
    assert all(value in check.detail for value in changes.values())
    assert check.fix
    assert statuses(found.checks)["public-key"] == statuses(found.checks)["dry-run"] == "skip"
    assert (found.provider, found.created) == (None, MADE)


def test_a_key_that_is_not_there(stub: Stub) -> None:
    stub.caller()
    stub.refuse("describe_key", "NotFoundException", "Alias is not found")
    found = _look("alias/none")
    check = by_name(found.checks)["key"]
    assert (check.status, check.code) == ("fail", "aws-key-not-found")
    assert [statuses(found.checks)[name] for name in ("public-key", "dry-run", "key-policy")] == [
        "skip"
    ] * 3


def test_the_public_key_is_needed_unless_it_is_pinned(stub: Stub, tmp_path: Path) -> None:
    stub.caller()
    stub.refuse("describe_key")
    stub.refuse("get_public_key")
    found = _look()
    check = by_name(found.checks)["public-key"]
    assert (check.status, check.code) == ("fail", "aws-access-denied")
    assert statuses(found.checks)["key-policy"] == "skip"
    pem = tmp_path / "pinned.pem"
    pem.write_bytes(stub.public_key.pem)
    for order in ("refuse", "same", "other"):
        stub.caller()
        stub.described()
        if order == "refuse":
            stub.refuse("get_public_key")
        else:
            other = Keys(tmp_path / "kms").open("other").public_key
            assert other is not None
            stub.read(der=other.der if order == "other" else None)
        stub.dry_run(DRY)
        stub.policy()
        check = by_name(_look(public_key=pem).checks)["public-key"]
        assert (check.status, check.code) == {
            "refuse": ("skip", ""),
            "same": ("ok", ""),
            "other": ("fail", "pinned-key-differs"),
        }[order]


def test_a_pinned_key_that_cannot_be_read_or_has_no_arn(stub: Stub, tmp_path: Path) -> None:
    pem = tmp_path / "pinned.pem"
    for content, key, code in (
        (b"no key", ARN, "key-unreadable"),
        (stub.public_key.pem, "alias/audit", "aws-pinned-key-needs-arn"),
    ):
        pem.write_bytes(content)
        stub.caller()
        stub.described(key)
        stub.policy()
        found = _look(key, public_key=pem)
        check = by_name(found.checks)["public-key"]
        assert (check.status, check.code) == ("fail", code)
        assert statuses(found.checks)["dry-run"] == "skip"


@pytest.mark.parametrize(
    ("code", "ours"),
    [(DENIED, "aws-access-denied"), ("KMSInvalidStateException", "aws-key-state")],
)
def test_a_dry_run_that_is_refused(stub: Stub, code: str, ours: str) -> None:
    stub.caller()
    stub.described()
    stub.read()
    stub.dry_run(code)
    stub.policy()
    check = by_name(_look().checks)["dry-run"]
    assert (check.status, check.code, check.exit_code) == ("fail", ours, 3)
    assert "in its own words" in check.detail


def test_a_command_line_that_is_too_old_for_it(stub: Stub) -> None:
    stub.caller()
    stub.described()
    stub.read()
    message = 'Unknown parameter in input: "DryRun", must be one of: KeyId, Message'
    stub.refuse("sign", "ParamValidationError", message)
    stub.policy()
    check = by_name(_look().checks)["dry-run"]
    assert (check.status, "too old" in check.detail) == ("skip", True)


def test_who_ignores_the_dry_run_is_told_of(stub: Stub) -> None:
    stub.caller()
    stub.described()
    stub.read()
    stub.signs()
    stub.policy()
    check = by_name(_look().checks)["dry-run"]
    assert (check.status, "AWS_ENDPOINT_URL" in check.fix) == ("warn", True)


@pytest.mark.parametrize("answer", [DRY, "KMSInvalidMacException", DENIED])
def test_an_hmac_key_must_verify_too(stub: Stub, answer: str) -> None:
    mac = {"KeyUsage": "GENERATE_VERIFY_MAC", "KeySpec": "HMAC_256"}
    stub.caller()
    stub.described(**mac)
    stub.refuse("get_public_key", "UnsupportedOperationException")
    stub.described(**mac)
    stub.dry_run(DRY, "generate_mac", MacAlgorithm="HMAC_SHA_256")
    stub.dry_run(answer, "verify_mac", MacAlgorithm="HMAC_SHA_256", Mac=ANY)
    stub.policy(POLICY.replace("kms:*", "kms:Sign"))
    checks = by_name(_look().checks)
    assert checks["dry-run"].status == ("fail" if answer == DENIED else "ok")
    assert checks["key-policy"].detail.startswith("allows kms:GenerateMac to nobody")


@pytest.mark.parametrize(
    ("policy", "status", "said"),
    [
        (POLICY.replace(":root", ":role/other"), "warn", f"arn:aws:iam::{ACCOUNT}:role/other"),
        (POLICY.replace(f"arn:aws:iam::{ACCOUNT}:root", "*"), "warn", "everybody"),
        ("no JSON", "skip", "cannot be read"),
        ("[]", "skip", "cannot be read"),
        ('{"Statement": "x"}', "skip", "no object"),
    ],
)
def test_a_key_policy(stub: Stub, policy: str, status: str, said: str) -> None:
    stub.caller()
    stub.described()
    stub.read()
    stub.dry_run(DRY)
    stub.policy(policy)
    check = by_name(_look().checks)["key-policy"]
    assert (check.status, said in check.detail) == (status, True)


@pytest.mark.parametrize(
    ("arn", "who"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/ci", "an IAM user"),
        (f"arn:aws:iam::{ACCOUNT}:root", "the account's root"),
    ],
)
def test_long_lived_credentials_are_warned_of(stub: Stub, arn: str, who: str) -> None:
    stub.caller(arn)
    stub.refuse("describe_key", "NotFoundException")
    check = by_name(_look().checks)["credentials"]
    assert (check.status, who in check.detail) == ("warn", True)
    assert "aws-role-to-assume" in check.fix
    assert "the-secret-part" not in check.detail


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("ExpiredTokenException", "aws-credentials-expired"),
        ("InvalidClientTokenId", "aws-credentials-invalid"),
        ("RequestExpired", "aws-clock-skew"),
    ],
)
def test_credentials_that_are_no_good(stub: Stub, code: str, ours: str) -> None:
    stub.nobody(code)
    found = _look()
    check = by_name(found.checks)["credentials"]
    assert (check.status, check.code, check.exit_code) == ("fail", ours, 3)
    assert {found.checks[n].status.value for n in range(2, len(found.checks))} == {"skip"}


def test_who_it_is_may_stay_untold(stub: Stub) -> None:
    stub.nobody("AccessDenied")
    stub.described()
    stub.read()
    stub.dry_run(DRY)
    found = _look()
    assert by_name(found.checks)["credentials"].status == "ok"
    assert "AccessDenied" in by_name(found.checks)["credentials"].detail
    assert statuses(found.checks)["key-policy"] == "skip"


def test_a_rule_that_limits_the_age_needs_to_know_it(stub: Stub) -> None:
    stub.caller()
    stub.refuse("describe_key")
    stub.read()
    stub.dry_run(DRY)
    stub.policy()
    found = _look(dated=True)
    check = by_name(found.checks)["key"]
    assert (check.status, check.code, check.exit_code) == ("fail", "aws-access-denied", 3)
    assert "kms:DescribeKey" in check.fix
    assert statuses(found.checks)["dry-run"] == "ok"


def test_the_region_and_who_says_so(stub: Stub) -> None:
    cases: tuple[tuple[str, dict[str, Any], str], ...] = (
        (ARN, {}, "eu-central-1, of the key's ARN"),
        ("alias/audit", {"aws_region": "eu-west-1"}, "eu-west-1, of aws-region"),
        ("alias/audit", {}, "eu-central-1, of the environment"),
    )
    for key, given, said in cases:
        stub.nobody("InvalidClientTokenId")
        assert by_name(_look(key, **given).checks)["region"].detail == said
    stub.nobody("InvalidClientTokenId")
    chosen = settings(provider="aws_kms_sdk", aws_kms_key="alias/audit")
    assert statuses(looked(look_at_key, chosen, Said().host()).checks)["region"] == "skip"


@pytest.mark.parametrize(
    ("silent", "name", "status"),
    [
        ("sts:GetCallerIdentity", "credentials", "ok"),
        ("kms:DescribeKey", "key", "fail"),
        ("kms:Sign", "dry-run", "fail"),
        ("kms:GetKeyPolicy", "key-policy", "skip"),
    ],
)
def test_a_command_line_that_hangs(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, silent: str, name: str, status: str
) -> None:
    asked = stub.calls.call

    def call(operation: str, parameters: Any, deadline: float) -> Any:
        if operation == silent:
            raise ProviderError("command-timeout", "aws did not end", fix="check the network.")
        return asked(operation, parameters, deadline)

    monkeypatch.setattr(stub.calls, "call", call)
    if name != "credentials":
        stub.caller()
    if name != "key":
        stub.described()
        stub.read()
    if name in ("credentials", "key-policy"):
        stub.dry_run(DRY)
    if name == "dry-run":
        stub.policy()
    check = by_name(_look(provider_timeout="1s").checks)[name]
    assert check.status == status
    assert (check.code, check.exit_code) == (
        ("command-timeout", 3) if status == "fail" else ("", 0)
    )
    assert "command-timeout" in check.detail or "did not end" in check.detail


def test_no_command_line() -> None:
    chosen = settings(provider="aws_kms", aws_kms_key=ARN)
    found = looked(look_at_key, chosen, Said().host({"PATH": "/nonexistent"}))
    check = by_name(found.checks)["command-line"]
    assert (check.status, check.code, check.exit_code) == ("fail", "command-missing", 3)
    assert len(found.checks) == 7
