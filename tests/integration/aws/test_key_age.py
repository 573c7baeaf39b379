"""max_key_age with AWS KMS: the date, the one permission more, and the age that decides."""

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.audit.statement import format_time
from tests.integration.aws.cloud import Cloud, Ended
from tests.integration.aws.documents import ROLE, RUN, both, hold, requests_of, sign_as_role
from tests.integration.aws.policy import Request, allows

DAY = timedelta(days=1)
POLICY = """version: 1
identity: environment
rules:
  - name: this repository
    runs: {repository: example/policies, repository_id: 123456789}
    may_sign_with: {provider: [aws_kms, aws_kms_sdk], max_key_age: 365d}
"""
HOSTED = {**RUN, "RUNNER_ENVIRONMENT": "github-hosted"}


@pytest.fixture
def limited(tmp_path: Path) -> tuple[str, ...]:
    """The options that name the policy."""
    path = tmp_path / "policy.yml"
    path.write_text(POLICY)
    pin = hashlib.sha256(POLICY.encode()).hexdigest()
    return ("--signing-policy", str(path), "--signing-policy-sha256", pin)


def _sign(cloud: Cloud, audit: Path, provider: str, key: str, *more: str) -> Ended:
    options = ["--provider", provider, "--aws-kms-key", key, *more]
    return cloud.sign(audit, *options, environ={**cloud.environ, **HOSTED})


def _stated(audit: Path) -> Any:
    bundle = json.loads(audit.with_name(f"{audit.name}.sigstore.json").read_bytes())
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]["signing"]


def test_a_whole_job_keeps_to_its_documents(
    cloud: Cloud, audit: Path, role: str, provider: str, limited: tuple[str, ...]
) -> None:
    arn = cloud.new_key()
    created = cloud.date(arn, 100 * DAY)
    cloud.forget()
    done = sign_as_role(cloud, audit, provider, arn, *limited, **HOSTED)
    assert done.code == 0, done.err
    assert done.json["key-created"] == _stated(audit)["keyCreated"] == format_time(created)
    calls = cloud.calls()
    requests = requests_of(calls)
    assert [request.action for request in requests].count("kms:DescribeKey") == 1
    hold(both("sign", "age", key=arn), requests)
    session = json.loads(calls[0]["parameters"]["Policy"])
    for request in requests:
        assert allows([session], request), request
        assert allows([both("key", "key-age", key=arn)], request), request
    assert not allows([session], Request("kms:DescribeKey", cloud.new_key(), principal=ROLE))


def test_an_alias_and_several_files_are_asked_for_one_date(
    cloud: Cloud, audit: Path, role: str, limited: tuple[str, ...]
) -> None:
    arn = cloud.key()
    cloud.forget()
    for number in range(3):
        audit.with_name(f"{number}.jsonl").write_bytes(audit.read_bytes())
    files = audit.with_name("*.jsonl")
    done = sign_as_role(cloud, files, "aws_kms_sdk", "alias/ECC_NIST_P256", *limited, **HOSTED)
    assert done.code == 0, done.err
    assert len(done.json["results"]) == 4
    calls = cloud.calls()
    [asked] = [call for call in calls if call["action"] == "kms:DescribeKey"]
    assert asked["parameters"] == {"KeyId": arn}
    session = json.loads(calls[0]["parameters"]["Policy"])
    for alias, allowed in (("alias/ECC_NIST_P256", True), ("alias/other", False)):
        context = {"kms:ResourceAliases": [alias]}
        request = Request("kms:DescribeKey", arn, context, principal=ROLE)
        assert allows([session], request) is allowed


def test_a_pinned_key_needs_one_permission_more(
    cloud: Cloud, audit: Path, role: str, limited: tuple[str, ...], tmp_path: Path
) -> None:
    arn = cloud.new_key()
    assert _sign(cloud, audit, "aws_kms_sdk", arn).code == 0
    pem = audit.with_name(f"{audit.name}.pub").rename(tmp_path / "pinned.pem")
    cloud.forget()
    more = ["--public-key", str(pem), "--overwrite", *limited]
    assert sign_as_role(cloud, audit, "aws_kms_sdk", arn, *more, **HOSTED).code == 0
    hold(both("pinned", "age", key=arn), requests_of(cloud.calls()))


def test_where_no_age_is_limited_a_session_may_not_ask_for_it(
    cloud: Cloud, audit: Path, role: str, limited: tuple[str, ...]
) -> None:
    arn = cloud.key()
    for options, asked in (((), False), (limited, True)):
        cloud.forget()
        more = ["--algorithm", "ECDSA_SHA_256", "--overwrite", *options]
        assert sign_as_role(cloud, audit, "aws_kms_sdk", arn, *more, **HOSTED).code == 0
        session = json.loads(cloud.calls()[0]["parameters"]["Policy"])
        request = Request("kms:DescribeKey", arn, principal=ROLE)
        assert allows([session], request) is asked


def test_an_hmac_key_needs_one_permission_more(
    cloud: Cloud, audit: Path, role: str, limited: tuple[str, ...]
) -> None:
    arn = cloud.key("HMAC_256")
    cloud.forget()
    more = ["--algorithm", "HMAC_SHA_256", *limited]
    done = sign_as_role(cloud, audit, "aws_kms_sdk", arn, *more, **HOSTED)
    assert done.code == 0, done.err
    hold(both("hmac", "age", key=arn), requests_of(cloud.calls()))


def _ages(cloud: Cloud, audit: Path, provider: str, limited: tuple[str, ...]) -> None:
    arn = cloud.new_key()
    for days, code in ((291, 0), (292, 0), (366, 4)):
        created = cloud.date(arn, days * DAY)
        cloud.forget()
        done = _sign(cloud, audit, provider, arn, "--overwrite", *limited)
        assert done.code == code, done.err
        warned = f"{days} of 365 days old; rotate it: make a new key and point the alias at it"
        assert (warned in done.err) is (days == 292)
        if code == 0:
            assert _stated(audit)["keyCreated"] == format_time(created)
        else:
            assert done.error == "not-allowed"
            assert "wanted at most 365 days" in done.err
            assert "kms:Sign" not in [call["action"] for call in cloud.calls()]


def test_the_age_decides(
    cloud: Cloud, audit: Path, provider: str, limited: tuple[str, ...]
) -> None:
    _ages(cloud, audit, provider, limited)


def test_the_age_decides_through_version_2_of_the_command_line(
    cloud_v2: Cloud, audit: Path, limited: tuple[str, ...]
) -> None:
    _ages(cloud_v2, audit, "aws_kms", limited)


def test_who_may_not_ask_for_the_date_is_told_what_allows_it(
    cloud: Cloud, audit: Path, provider: str, limited: tuple[str, ...]
) -> None:
    arn = cloud.new_key()
    said = f"User: {ROLE} is not authorized to perform: kms:DescribeKey on resource: {arn}"
    cloud.fail("kms:DescribeKey", "AccessDeniedException", said)
    done = _sign(cloud, audit, provider, arn, *limited)
    assert (done.code, done.error) == (3, "aws-access-denied")
    assert json.dumps({"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": arn}) in done.err
    assert not audit.with_name(f"{audit.name}.sigstore.json").exists()
