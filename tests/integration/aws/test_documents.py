"""Each way of use has its documents in docs/aws.md: what is used is allowed, and vice versa.

Held against the calls of whole jobs: the IAM policy, the key policy, and the session's own policy.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.aws.cloud import Cloud
from tests.integration.aws.documents import (
    ROLE,
    both,
    documented,
    hold,
    job,
    requests_of,
    sign_as_role,
)
from tests.integration.aws.policy import Request, allows

ALIAS = "alias/policy-audit"
MAC = ("--algorithm", "HMAC_SHA_256")


@dataclass(frozen=True)
class Use:
    """A way of use.

    Attributes:
        spec: of the key.
        by_alias: whether the key is named by its alias.
        options: of the signer.
        pinned: whether its public key is given.
        iam: names of the IAM policies.
        key: name of the key policy; empty where the documents have none for it.
    """

    spec: str
    iam: tuple[str, ...]
    key: str = ""
    by_alias: bool = False
    options: tuple[str, ...] = ()
    pinned: bool = False


USES = {
    "sign": Use("ECC_NIST_P256", ("sign",), "key"),
    "pinned": Use("ECC_NIST_P256", ("pinned",), "key-pinned", pinned=True),
    "alias": Use("ECC_NIST_P256", ("alias",), "key", by_alias=True),
    "hmac": Use("HMAC_256", ("hmac",), "key-hmac", options=MAC),
    "hmac-alias": Use("HMAC_256", ("hmac-alias",), by_alias=True, options=MAC),
    "hmac-any": Use("HMAC_256", ("hmac", "hmac-any")),
}


@pytest.fixture
def named(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[tuple[Use, str]]:
    """A way of use, and the ARN of a key for it that has the documents' alias."""
    use = USES[request.param]
    arn, kms = cloud.new_key(use.spec), cloud.client("kms")
    kms.create_alias(AliasName=ALIAS, TargetKeyId=arn.rpartition("/")[2])
    yield use, arn
    kms.delete_alias(AliasName=ALIAS)


def _pin(cloud: Cloud, audit: Path, arn: str, folder: Path) -> tuple[str, str]:
    done = cloud.sign(audit, "--provider", "aws_kms_sdk", "--aws-kms-key", arn)
    assert done.code == 0, done.err
    audit.with_name(f"{audit.name}.sigstore.json").unlink()
    pem = audit.with_name(f"{audit.name}.pub").rename(folder / "pinned.pem")
    return "--public-key", str(pem)


@pytest.mark.parametrize("named", USES, indirect=True)
def test_a_whole_job_keeps_to_its_documents(
    cloud: Cloud, audit: Path, role: str, provider: str, tmp_path: Path, named: tuple[Use, str]
) -> None:
    use, arn = named
    more = [*use.options, *(_pin(cloud, audit, arn, tmp_path) if use.pinned else ())]
    cloud.forget()
    done = sign_as_role(cloud, audit, provider, ALIAS if use.by_alias else arn, *more)
    assert done.code == 0, done.err
    calls = cloud.calls()
    requests = requests_of(calls)
    policy = both(*use.iam, key=arn)
    hold(policy, requests)
    if use.key:
        hold(documented(use.key, arn), requests)
    session = json.loads(calls[0]["parameters"]["Policy"])
    other = cloud.new_key(use.spec)
    for request in requests:
        assert allows([session], request), request
        context = {**request.context, "kms:ResourceAliases": ["alias/other"]}
        elsewhere = Request(request.action, other, context, principal=ROLE)
        assert not allows([session], elsewhere), request
        assert not allows([policy], elsewhere), request


def test_who_only_verifies_keeps_to_its_document(
    cloud: Cloud, audit: Path, role: str, provider: str
) -> None:
    arn = cloud.new_key("HMAC_256")
    options = ["--provider", provider, "--aws-kms-key", arn, *MAC]
    assert cloud.sign(audit, *options).code == 0
    cloud.forget()
    verify = ["verify", str(audit), *options, "--aws-role-to-assume", ROLE]
    done = cloud.signer(*verify, "--expect", "repository=*", environ=job(cloud))
    assert done.code == 0, done.err
    requests = requests_of(cloud.calls())
    hold(documented("hmac-verify", arn), requests)
    mac = {"kms:MacAlgorithm": "HMAC_SHA_256"}
    signing = Request("kms:GenerateMac", arn, mac, principal=ROLE)
    assert not allows([documented("hmac-verify", arn)], signing)
    assert allows([documented("key-hmac", arn)], signing)
