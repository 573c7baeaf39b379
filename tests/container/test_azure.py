"""Azure Key Vault from inside the containers of both actions, against the stand-in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azure_stand_in import StandIn, Vault, running
from tests.azure_stand_in.entra import Application
from tests.container.conftest import own
from tests.container.runner import REPOSITORY, Job
from tests.container.test_act import _act, _fill_cache, checkout

__all__ = ["checkout"]

WORKFLOW = Path(__file__).parent / "workflows" / "azure.yml"

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[StandIn]:
    with running(tmp_path) as stand_in:
        yield stand_in


@pytest.fixture
def vault(azure: StandIn) -> Vault:
    made = azure.add_vault("acme-audit")
    made.add("policy")
    made.grants |= {("*", "keys/read"), ("*", "keys/sign/action")}
    return made


def _sign(job: Job, azure: StandIn, vault: Vault, provider: str, image: str) -> None:
    application: Application = azure.entra.register()
    shutil.copy(azure.authority, job.workspace / "ca.pem")
    own(job.root)
    step = job.run(
        {
            "audit-file": "opa-decisions.jsonl",
            "provider": provider,
            "azure-kv-name": "acme-audit",
            "azure-kv-key": "policy",
            "azure-tenant-id": azure.entra.tenant,
            "azure-client-id": application.client_id,
        },
        env={
            **azure.environment(),
            **azure.job(),
            "REQUESTS_CA_BUNDLE": str(job.workspace / "ca.pem"),
        },
        flags=["--network=host"],
        image=image,
    )
    assert step.code == 0, step.log
    assert step.outputs["provider"] == provider
    assert step.outputs["key-id"] == vault.key_id("policy")
    assert "signed in to Azure with this job's OIDC token" in step.log
    assert azure.job()["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] not in step.log.replace(
        f"::add-mask::{azure.job()['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}", ""
    )


def test_the_action_signs_through_the_sdk(
    job: Job, image: str, azure: StandIn, vault: Vault
) -> None:
    _sign(job, azure, vault, "azure_kv_sdk", image)


def test_the_action_has_no_az_and_says_what_to_do(
    job: Job, image: str, azure: StandIn, vault: Vault
) -> None:
    step = job.run(
        {
            "audit-file": "opa-decisions.jsonl",
            "provider": "azure_kv",
            "azure-kv-name": "acme-audit",
            "azure-kv-key": "policy",
        },
        env=azure.environment(),
        flags=["--network=host"],
        image=image,
    )
    assert step.code == 3
    assert "command-missing" in step.log
    assert "azure_kv_sdk" in step.log


@pytest.mark.parametrize("provider", ["azure_kv", "azure_kv_sdk"])
def test_the_second_action_has_az(
    job: Job, cli_image: str, azure: StandIn, vault: Vault, provider: str
) -> None:
    _sign(job, azure, vault, provider, cli_image)


def test_both_actions_in_a_job_under_act(checkout: Path, azure: StandIn, vault: Vault) -> None:
    _fill_cache(checkout, "Dockerfile.cli")
    shutil.copy(azure.authority, checkout / "stand-in.crt")
    environ = {
        **azure.environment(),
        **azure.job(),
        "REQUESTS_CA_BUNDLE": str(checkout / "stand-in.crt"),
        "TENANT": azure.entra.tenant,
        "CLIENT": azure.entra.register().client_id,
    }
    options = [f"--env={name}={value}" for name, value in environ.items()]
    code, log = _act(checkout, WORKFLOW.relative_to(REPOSITORY), *options)
    assert code == 0, log
    for provider in ("azure_kv_sdk", "azure_kv"):
        assert f"signed by {provider} {vault.key_id('policy')}" in log, log
    assert "for az, until the end of this job" in log
    assert "verified by the other: true" in log


def test_the_second_action_differs_in_name_and_image_alone() -> None:
    first = (REPOSITORY / "action.yml").read_text().splitlines()
    second = (REPOSITORY / "cli" / "action.yml").read_text().splitlines()
    differing = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    assert [pair[1].strip() for pair in differing] == [
        "name: Policy audit signer with aws and az",
        "image: ../Dockerfile.cli",
    ]


def test_the_second_image_is_built_like_the_first() -> None:
    first, second = (
        (REPOSITORY / name).read_text().partition("AS build")[2].partition("\nFROM ")[0]
        for name in ("Dockerfile", "Dockerfile.cli")
    )
    assert first == second
