"""Which way of signing in is chosen, and what is made of it; nothing is asked of Entra."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    WorkloadIdentityCredential,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signer.errors import ProviderError
from signer.providers.azure.access import Way, sign_in_failed
from signer.providers.azure.credentials import Credential
from tests.azure_stand_in.keys import rsa_key
from tests.unit.providers.azure.support import CLIENT, TENANT, Said

NAMED = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
INPUTS: dict[str, Any] = {"tenant_id": TENANT, "client_id": CLIENT}


@pytest.mark.parametrize(
    ("environ", "inputs", "offers", "way"),
    [
        ({}, INPUTS, True, Way.FEDERATED),
        ({"AZURE_CLIENT_SECRET": "s"}, INPUTS, True, Way.FEDERATED),
        ({"AZURE_CLIENT_SECRET": "s"}, INPUTS, False, Way.SECRET),
        ({"AZURE_CLIENT_SECRET": "s", **NAMED}, {}, True, Way.SECRET),
        ({"AZURE_CLIENT_SECRET": "s"}, {}, True, Way.MANAGED),
        ({"AZURE_CLIENT_CERTIFICATE_PATH": "/c.pem", **NAMED}, {}, True, Way.CERTIFICATE),
        ({"AZURE_FEDERATED_TOKEN_FILE": "/t", **NAMED}, {}, True, Way.WORKLOAD),
        (NAMED, {}, True, Way.MANAGED),
        ({}, INPUTS, False, Way.MANAGED),
    ],
)
def test_what_is_set_decides(
    environ: dict[str, str], inputs: dict[str, Any], offers: bool, way: Way
) -> None:
    choice = Said().access(environ, offers=offers, **inputs).choose()
    assert choice.way is way
    assert (len(choice.passed_over) > 0) is (way is not Way.FEDERATED)


def _certificate(folder: Path) -> Path:
    key = rsa_key(2048, "a client's certificate")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "client.pem"
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return path


@pytest.mark.parametrize("authority", ["", "https://login.stack.example"])
def test_every_way_has_its_credential(tmp_path: Path, authority: str) -> None:
    certificate = str(_certificate(tmp_path))
    environ = {**NAMED, "AZURE_AUTHORITY_HOST": authority}
    for more, kind in (
        ({"AZURE_CLIENT_SECRET": "s"}, ClientSecretCredential),
        ({"AZURE_CLIENT_CERTIFICATE_PATH": certificate}, CertificateCredential),
        ({"AZURE_FEDERATED_TOKEN_FILE": certificate}, WorkloadIdentityCredential),
    ):
        made = Credential(Said().access({**environ, **more}))._make()
        assert isinstance(made, kind)
    federated = Credential(Said().access(environ, **INPUTS))._make()
    assert isinstance(federated, ClientAssertionCredential)


def test_a_certificate_that_cannot_be_read_is_our_error(tmp_path: Path) -> None:
    environ = {**NAMED, "AZURE_CLIENT_CERTIFICATE_PATH": str(tmp_path / "none.pem")}
    with pytest.raises(ProviderError) as refusal:
        Credential(Said().access(environ)).get_token("https://vault.azure.net/.default")
    assert refusal.value.code == "azure-sign-in-failed"


def test_an_assertion_is_masked_and_for_entra() -> None:
    said = Said()
    token = said.access(**INPUTS).assertion()
    assert said.audiences == ["api://AzureADTokenExchange"]
    assert said.masked == [token]


def test_only_entra_s_own_refusal_is_a_rejected_assertion() -> None:
    access = Said().access(**INPUTS)
    choice, token = access.choose(), access.assertion()
    rejected = sign_in_failed(choice, "AADSTS700213: No matching record", token)
    assert rejected.code == "azure-assertion-rejected"
    assert "repo:acme/x" in rejected.message
    assert token not in f"{rejected.message} {rejected.fix}"
    for text in ("AADSTS700016: no such application", "something else"):
        assert sign_in_failed(choice, text, token).code == "azure-sign-in-failed"
