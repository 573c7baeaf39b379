"""The action in its container, and in a job under act, with keys of the corrected AWS."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.runner import Job
from tests.container.test_act import _act, checkout
from tests.integration.aws.cloud import ACCOUNT, REGION, Cloud, running_server
from tests.integration.aws.documents import documented

__all__ = ["checkout"]

AUDIT = "opa-decisions.jsonl"
WORKFLOW = Path(__file__).parent / "workflows" / "aws.yml"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/policy-audit"
HOST_NETWORK = ["--network=host"]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An AWS with a key, and with the role of docs/aws.md."""
    with running_server(tmp_path_factory.mktemp("aws")) as url:
        cloud = Cloud(url, Path("/nonexistent"))
        cloud.key()
        trust = json.dumps(documented("trust"))
        cloud.client("iam").create_role(RoleName="policy-audit", AssumeRolePolicyDocument=trust)
        yield cloud


def _job_environ(cloud: Cloud) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{cloud.url}/_token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-request-token-of-this-job",
    }


def _signs_without_stored_secrets(job: Job, cloud: Cloud, provider: str, image: str) -> None:
    inputs = {
        "audit-file": AUDIT,
        "provider": provider,
        "aws-kms-key": "alias/ECC_NIST_P256",
        "aws-role-to-assume": ROLE,
        "minimum-assurance": "managed-key",
    }
    step = job.run(inputs, env=_job_environ(cloud), flags=HOST_NETWORK, image=image)
    assert step.code == 0, step.log
    assert step.outputs["provider"] == provider
    assert step.outputs["key-id"] == cloud.key()
    assert step.outputs["assurance"] == "managed-key"
    masked = [command.data for command in step.commands if command.name == "add-mask"]
    assert "the-request-token-of-this-job" in masked
    assert len(masked) >= 4  # the OIDC token and the parts of the credential too
    rest = [line for line in step.log.splitlines() if "::add-mask::" not in line]
    assert not any(secret in line for secret in masked for line in rest)
    verify = {"mode": "verify", "audit-file": AUDIT, "public-key": f"{AUDIT}.pub"}
    checked = job.run(verify, flags=["--network=none"], image=image)
    assert (checked.code, checked.outputs["verified"]) == (0, "true"), checked.log


def test_a_container_signs_without_stored_secrets(job: Job, cloud: Cloud, image: str) -> None:
    _signs_without_stored_secrets(job, cloud, "aws_kms_sdk", image)


@pytest.mark.parametrize("provider", ["aws_kms", "aws_kms_sdk"])
def test_the_second_action_has_aws(job: Job, cloud: Cloud, cli_image: str, provider: str) -> None:
    cloud.forget()
    _signs_without_stored_secrets(job, cloud, provider, cli_image)
    asked = [call["action"] for call in cloud.calls()]
    assert asked == ["sts:AssumeRoleWithWebIdentity", "kms:GetPublicKey", "kms:Sign"]


def test_a_container_is_told_what_is_missing(job: Job, cloud: Cloud) -> None:
    inputs = {"audit-file": AUDIT, "provider": "aws_kms_sdk", "aws-kms-key": cloud.key()}
    environ = _job_environ(cloud)
    step = job.run(inputs, env=environ, flags=HOST_NETWORK)
    assert step.code == 3, step.log
    [error] = step.annotations("error")
    assert dict(error.properties)["title"] == "policy audit: aws-credentials-missing"
    assert "aws-role-to-assume" in error.data
    step = job.run({**inputs, "provider": "aws_kms"}, env=environ, flags=HOST_NETWORK)
    assert step.code == 3, step.log
    assert dict(step.annotations("error")[0].properties)["title"] == "policy audit: command-missing"


def test_a_job_under_act(checkout: Path, cloud: Cloud) -> None:
    options = [f"--env={name}={value}" for name, value in _job_environ(cloud).items()]
    code, log = _act(checkout, WORKFLOW.relative_to(WORKFLOW.parents[3]), *options)
    assert code == 0, log
    assert f"key {cloud.key()}, assurance managed-key" in log
    assert "assumed-role/policy-audit/" in log
