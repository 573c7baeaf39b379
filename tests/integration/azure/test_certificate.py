"""Signing in with a client certificate: Entra checks the assertion that its key signed."""

from pathlib import Path

from tests.azure_stand_in.certificates import issue_client
from tests.integration.azure.conftest import Place


def _hold_certificate(place: Place) -> Path:
    path = place.folder.parent / "client.pem"
    place.application.certificates = [issue_client(path)]
    for variable in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        place.environ.pop(variable, None)
    place.environ["AZURE_TENANT_ID"] = place.azure.entra.tenant
    place.environ["AZURE_CLIENT_ID"] = place.application.client_id
    place.environ["AZURE_CLIENT_CERTIFICATE_PATH"] = str(path)
    return path


def test_a_client_certificate(place: Place) -> None:
    _hold_certificate(place)
    ended = place.sign(federated=False)
    assert ended.code == 0, ended.log
    assert "signed in to Azure with a client certificate" in ended.log
    assert ended.outputs["key-id"] == place.vault.key_id("policy")
    assert place.asked("/oauth2/v2.0/token") >= 1


def test_a_certificate_that_is_not_registered(place: Place) -> None:
    _hold_certificate(place)
    place.application.certificates = []
    ended = place.sign(federated=False)
    assert (ended.code, ended.error) == (3, "azure-sign-in-failed"), ended.log
    assert "AADSTS700027" in ended.log
    assert "register the certificate" in ended.log.partition("  fix: ")[2]


def test_another_key_than_the_certificate_s_is_not_taken(sdk: Place) -> None:
    path = _hold_certificate(sdk)
    _, mark, certificate = path.read_text().partition("-----BEGIN CERTIFICATE-----")
    issue_client(path)
    private, _, _ = path.read_text().partition("-----BEGIN CERTIFICATE-----")
    path.write_text(private + mark + certificate)
    ended = sdk.sign(federated=False)
    assert (ended.code, ended.error) == (3, "azure-sign-in-failed"), ended.log
    assert "AADSTS700027: Client assertion failed signature validation" in ended.log
