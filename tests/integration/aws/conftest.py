"""The corrected AWS, as a process of its own, once a session."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.aws.cloud import Cloud, running_server
from tests.integration.aws.documents import ROLE, documented
from tests.peers import require

# Debian's is older than the variable AWS_ENDPOINT_URL.
_WITH_ENDPOINT = '#!/bin/sh\nexec {program} --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n'

EVENTS = b'{"decision":1}\n{"decision":2}\n'


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
    with running_server(tmp_path_factory.mktemp("aws")) as url:
        yield url


@pytest.fixture(scope="session")
def _cloud(server: str) -> Cloud:
    return Cloud(server, require("aws"))


@pytest.fixture
def cloud(_cloud: Cloud) -> Cloud:
    """The corrected AWS; calls and faults of other tests are forgotten, keys are not."""
    _cloud.forget()
    return _cloud


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """A small audit file."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(EVENTS)
    return path


@pytest.fixture(params=["aws_kms_sdk", "aws_kms"])
def provider(request: pytest.FixtureRequest) -> str:
    """Each of the two providers."""
    name: str = request.param
    return name


@pytest.fixture
def role(cloud: Cloud) -> Iterator[str]:
    """The role of docs/aws.md, with its trust policy."""
    iam = cloud.client("iam")
    trust = json.dumps(documented("trust"))
    iam.create_role(RoleName="policy-audit", AssumeRolePolicyDocument=trust)
    yield ROLE
    iam.delete_role(RoleName="policy-audit")


@pytest.fixture
def cloud_v2(cloud: Cloud, tmp_path: Path) -> Cloud:
    """The same service, met through version 2."""
    wrapper = tmp_path / "aws"
    wrapper.write_text(_WITH_ENDPOINT.format(program=require("aws-v2")))
    wrapper.chmod(0o755)
    return replace(cloud, aws_cli=wrapper)
