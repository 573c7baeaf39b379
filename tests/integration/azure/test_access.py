"""Signing in: each way by itself, and what is said where none works."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.azure.conftest import Place
from tests.peers import require


def _offers_nothing(place: Place) -> None:
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        del place.environ[name]


def _name(place: Place) -> None:
    place.environ["AZURE_TENANT_ID"] = place.azure.entra.tenant
    place.environ["AZURE_CLIENT_ID"] = place.application.client_id


@pytest.mark.parametrize("claim", ["subject", "issuer", "audience", "case"])
def test_a_rejected_assertion_says_what_it_has(place: Place, claim: str) -> None:
    if claim == "case":
        place.application.subject = "repo:Acme/payments:ref:refs/heads/main"
    else:
        setattr(place.application, claim, "another")
    ended = place.sign()
    assert (ended.code, ended.error) == (3, "azure-assertion-rejected"), ended.log
    fix = ended.log.partition("  fix: ")[2]
    for value in (
        "repo:acme/payments:ref:refs/heads/main",
        "https://token.actions.githubusercontent.com",
        "api://AzureADTokenExchange",
    ):
        assert value in ended.log
        assert value in fix
    assert "case matters" in fix


def test_a_client_secret(place: Place) -> None:
    _offers_nothing(place)
    _name(place)
    place.environ["AZURE_CLIENT_SECRET"] = place.application.secret
    ended = place.sign(federated=False)
    assert ended.code == 0, ended.log
    assert "signed in to Azure with a client secret" in ended.log
    place.application.secret = "renewed meanwhile"
    ended = place.sign(federated=False)
    assert ended.error == "azure-sign-in-failed", ended.log
    assert "renew the client secret" in ended.log


def test_workload_identity(place: Place) -> None:
    _offers_nothing(place)
    path = place.folder.parent / "token"
    path.write_text(place.azure.github_token("api://AzureADTokenExchange"))
    place.environ["AZURE_FEDERATED_TOKEN_FILE"] = str(path)
    ended = place.sign()
    assert ended.code == 0, ended.log
    assert "signed in to Azure with workload identity" in ended.log


def test_a_managed_identity(sdk: Place) -> None:
    _offers_nothing(sdk)
    sdk.azure.managed_identity = sdk.application.client_id
    ended = sdk.sign(federated=False)
    assert ended.code == 0, ended.log
    assert "signed in to Azure with the managed identity" in ended.log


def test_where_no_way_works_each_is_named(place: Place) -> None:
    _offers_nothing(place)
    ended = place.sign(federated=False)
    assert (ended.code, ended.error) == (3, "azure-not-signed-in"), ended.log
    for word in (
        "azure-tenant-id",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_FEDERATED_TOKEN_FILE",
        "managed identity",
        "id-token: write",
        "azure/login signed in is not visible inside a Docker action",
    ):
        assert word in ended.log


def test_a_cloud_that_microsoft_does_not_run(place: Place) -> None:
    place.environ["AZURE_AUTHORITY_HOST"] = "https://login.stand-in.example"
    vault = place.azure.add_vault("acme-stack", "vault.stand-in.example")
    vault.add("policy")
    vault.grants = place.vault.grants
    place.vault = vault
    ended = place.sign(name=f"https://{vault.host}")
    assert ended.code == 0, ended.log
    assert place.asked("login.microsoftonline.com") == 0
    assert place.asked("discovery/instance") == 0
    assert place.sign(name="acme-stack").error == "azure-vault-malformed"


def test_a_client_secret_in_such_a_cloud(sdk: Place) -> None:
    _offers_nothing(sdk)
    _name(sdk)
    sdk.environ["AZURE_CLIENT_SECRET"] = sdk.application.secret
    test_a_cloud_that_microsoft_does_not_run(sdk)


def _az(place: Place, *words: str, environ: dict[str, str] | None = None) -> None:
    command = [str(require("az")), *words, "--output", "none"]
    subprocess.run(command, env=environ or place.environ, check=True, capture_output=True)


def _login(place: Place, token: str) -> None:
    who = ["-u", place.application.client_id, "-t", place.azure.entra.tenant]
    more = ["--federated-token", token, "--skip-subscription-discovery"]
    _az(place, "login", "--service-principal", *who, *more)


def _contents(folder: Path) -> dict[str, bytes]:
    names = ("azureProfile.json", "service_principal_entries.json", "config")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


def test_a_login_that_is_there_is_used_first(cli: Place) -> None:
    _login(cli, cli.azure.github_token("api://AzureADTokenExchange"))
    _offers_nothing(cli)
    ended = cli.sign(federated=False)
    assert ended.code == 0, ended.log
    assert "signed in" not in ended.log


def test_an_assertion_that_died_in_az_is_replaced_and_the_login_left_alone(cli: Place) -> None:
    """``az`` shows a stored assertion again after its five minutes (AADSTS700024)."""
    cli.azure.token_lifetime = 6
    _login(cli, cli.azure.github_token("api://AzureADTokenExchange"))
    cli.azure.token_lifetime = 300
    home = Path(cli.environ["HOME"], ".azure")
    before = _contents(home)
    subprocess.run(["sleep", "6.5"], check=True)
    ended = cli.sign()
    assert ended.code == 0, ended.log
    assert "for az, until the end of this job" in ended.log
    assert _contents(home) == before
    _offers_nothing(cli)
    assert cli.sign().error in ("azure-not-signed-in", "azure-sign-in-failed")


def test_the_private_login_leaves_nothing_and_shows_no_secret(cli: Place) -> None:
    record = cli.folder.parent / "arguments"
    wrapper = cli.folder.parent / "az"
    real = cli.environ["AZ_CLI"]
    wrapper.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {record}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    cli.environ["AZ_CLI"] = str(wrapper)
    assert cli.sign().code == 0
    assert not list(cli.folder.parent.glob("policy-audit-signer-*"))
    assert not Path(cli.environ["HOME"], ".azure").exists()
    said = record.read_text()
    assert "--federated-token=@" in said
    assert "eyJ" not in said


def test_where_az_is_missing(cli: Place) -> None:
    cli.environ["AZ_CLI"] = "/nowhere/az"
    assert cli.sign().error == "command-missing"
    del cli.environ["AZ_CLI"]
    cli.environ["PATH"] = os.pathsep.join(("/bin", "."))
    ended = cli.sign()
    assert ended.error == "command-missing"
    assert "azure_kv_sdk" in ended.log


def test_az_has_a_time_limit(cli: Place) -> None:
    slow = cli.folder.parent / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    cli.environ["AZ_CLI"] = str(slow)
    assert cli.sign("--provider-timeout=1s").error == "command-timeout"
