"""Signing in with a job's token: what is asked, what is told, and what a refusal says."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Self

import pytest

from signer import retry
from signer.errors import ProviderError, UsageError
from signer.providers.aws import access, api
from signer.providers.aws.access import session_name
from signer.providers.aws.calls import Answer, AwsFailure, Credentials
from signer.providers.aws.failures import Place
from signer.providers.aws.policy import key_statement, secret_statement
from signer.providers.aws.reference import parse_key, parse_role, parse_secret
from tests.unit.clock import Clock

from .support import Said

ROLE = "arn:aws:iam::111122223333:role/policy-audit"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:eu-central-1:444455556666:key/{KEY_ID}"
CLAIMS = {
    "iss": "https://token.actions.githubusercontent.com",
    "sub": "repo:example@1/policies@2:ref:refs/heads/main",
    "aud": "sts.amazonaws.com",
    "repository_id": "2",
}


def _token() -> str:
    parts = ({"alg": "RS256"}, CLAIMS, "x")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)


class Sts:
    """Answers the exchange, or fails."""

    longest_attempt = 0.0

    def __init__(self, failure: AwsFailure | None = None) -> None:
        self.failure = failure
        self.asked: dict[str, Any] = {}
        self.credentials: Credentials | None = None

    def call(
        self, operation: str, parameters: Mapping[str, str | int | bytes], deadline: float
    ) -> Answer:
        assert operation == "sts:AssumeRoleWithWebIdentity"
        self.asked = dict(parameters)
        if self.failure is not None:
            raise self.failure
        return {
            "Credentials": {
                "AccessKeyId": "ASIAEXAMPLE",
                "SecretAccessKey": "the secret part",
                "SessionToken": "the session token",
            },
            "AssumedRoleUser": {"Arn": "arn:aws:sts::111122223333:assumed-role/policy-audit/x"},
        }

    def with_credentials(self, credentials: Credentials) -> Self:
        self.credentials = credentials
        return self

    def credential(self) -> str:
        raise AssertionError("the ordinary chain was looked at")


def _open(sts: Sts, said: Said, **changes: Any) -> None:
    host = said.host(token=_token())
    said.access(role=ROLE, host=host, **changes).open(
        sts,
        Place(KEY_ARN, "eu-central-1"),
        lambda role: key_statement(parse_key(KEY_ARN), None, role, None, pinned=True),
    )


def test_a_token_becomes_credentials_in_memory() -> None:
    sts, said = Sts(), Said()
    _open(sts, said)
    assert said.audiences == ["sts.amazonaws.com"]
    assert sts.asked["RoleArn"] == ROLE
    assert sts.asked["WebIdentityToken"] == _token()
    assert sts.asked["RoleSessionName"] == "example-policies-7000000001-1"
    assert sts.credentials == Credentials("ASIAEXAMPLE", "the secret part", "the session token")
    assert said.masked == [_token(), "the secret part", "the session token"]
    [told] = said.lines
    assert "assumed-role/policy-audit/x" in told
    assert "secret part" not in told


def test_a_role_is_assumed_again_before_its_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = Clock(), Said()
    monkeypatch.setattr(access, "time", clock)
    assumed: list[float] = []
    calls = Sts()

    def assume() -> Sts:
        assumed.append(clock.now)
        return calls

    role = access.RoleCalls(assume)
    monkeypatch.setattr(calls, "call", lambda *_: {"Arn": said.host().session_name})
    begun = clock.now
    for after in (0, 599, 601, 1_200, 1_202, 10_000):
        clock.now = begun + after
        role.call("kms:Sign", {}, clock.now + 60)
    assert [moment - begun for moment in assumed] == [0, 601, 1_202, 10_000]


def test_a_new_token_is_asked_for_with_each_session(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sts, said = Clock(), Sts(), Said()
    for module in (access, api, retry):
        monkeypatch.setattr(module, "time", clock)
    signed_in = said.access(role=ROLE, host=said.host(token=_token())).open(
        sts, Place(KEY_ARN, None), lambda role: {}
    )
    clock.now += 900
    monkeypatch.setattr(sts, "credential", lambda: "assumed role")
    assert signed_in.calls.credential() == "assumed role"
    assert said.audiences == ["sts.amazonaws.com"] * 2
    assert len([line for line in said.lines if line.startswith("signed in to AWS")]) == 2


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("algorithm", [None, "ECDSA_SHA_256", "HMAC_SHA_256"])
def test_a_session_may_ask_when_the_key_was_made_only_where_it_is_asked(
    algorithm: str | None, pinned: bool
) -> None:
    key, role = parse_key(KEY_ARN), parse_role(ROLE)
    plain, dated = (
        key_statement(key, None, role, algorithm, pinned=pinned, dated=dated)
        for dated in (False, True)
    )
    more = [action for action in dated["Action"] if action not in plain["Action"]]
    assert dated == {**plain, "Action": [*plain["Action"], *more]}
    assert "kms:DescribeKey" in dated["Action"]
    assert more == ([] if "kms:DescribeKey" in plain["Action"] else ["kms:DescribeKey"])
    assert algorithm != "ECDSA_SHA_256" or more  # nothing else needs it there


def test_the_session_may_do_nothing_but_sign_with_this_key() -> None:
    sts = Sts()
    _open(sts, Said())
    assert json.loads(sts.asked["Policy"]) == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["kms:Sign"], "Resource": KEY_ARN}],
    }


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidIdentityToken"])
def test_a_refused_token_is_told_with_the_trust_policy_that_it_needs(code: str) -> None:
    sts = Sts(AwsFailure(code, "Not authorized to perform sts:AssumeRoleWithWebIdentity"))
    with pytest.raises(ProviderError) as refusal:
        _open(sts, Said())
    error = refusal.value
    assert error.code == "aws-role-refused"
    assert CLAIMS["sub"] in error.message
    assert CLAIMS["aud"] in error.message
    assert '"token.actions.githubusercontent.com:repository_id": "2"' in error.fix
    assert "oidc-provider/token.actions.githubusercontent.com" in error.fix
    assert _token() not in error.message + error.fix


def test_another_failure_of_sts_keeps_its_own_remedy() -> None:
    with pytest.raises(ProviderError) as refusal:
        _open(Sts(AwsFailure("RegionDisabledException", "STS is not activated")), Said())
    assert refusal.value.code == "aws-region-disabled"


def test_what_is_no_role_is_refused_before_a_token_is_asked_for() -> None:
    said = Said()
    with pytest.raises(UsageError):
        said.access(role="policy-audit").open(Sts(), Place("x", None), lambda role: {})
    assert said.audiences == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example/policies-7000000001-1", "example-policies-7000000001-1"),
        ("", "policy-audit-signer"),
        ("x" * 90 + "/repository-7000000001-12", "x" * 39 + "-repository-7000000001-12"),
        ("ünï/cödé-1-1", "n-c-d--1-1"),
    ],
)
def test_session_names_keep_what_tells_runs_apart(text: str, name: str) -> None:
    assert session_name(text) == name
    assert 2 <= len(session_name(text)) <= 64


def _statement(key: str, algorithm: str | None = None, pinned: bool = False) -> Any:
    role = parse_role(ROLE)
    return key_statement(parse_key(key), "eu-west-1", role, algorithm, pinned=pinned)


def test_a_session_is_for_the_key_however_it_is_named() -> None:
    assert _statement(KEY_ARN)["Resource"] == KEY_ARN
    assert _statement(KEY_ID)["Resource"] == f"arn:aws:kms:eu-west-1:111122223333:key/{KEY_ID}"
    by_alias = _statement("alias/audit")
    assert by_alias["Resource"] == "arn:aws:kms:eu-west-1:111122223333:key/*"
    assert by_alias["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/audit"}
    }


def test_a_session_is_for_what_the_algorithm_needs() -> None:
    assert _statement(KEY_ARN, "ES256")["Action"] == ["kms:GetPublicKey", "kms:Sign"]
    assert _statement(KEY_ARN, "ES256", pinned=True)["Action"] == ["kms:Sign"]
    assert "kms:GenerateMac" in _statement(KEY_ARN, "HMAC_SHA_256")["Action"]
    assert "kms:Sign" not in _statement(KEY_ARN, "HMAC_SHA_256")["Action"]


def test_a_session_is_for_one_secret() -> None:
    role = parse_role(ROLE)
    named = secret_statement(parse_secret("aws-secretsmanager:audit"), "eu-west-1", role)
    assert named["Resource"] == (
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:audit-??????"
    )
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:audit-AbCdEf"
    whole = secret_statement(parse_secret(f"aws-secretsmanager:{arn}"), None, role)
    assert whole["Resource"] == arn
