"""Names of vaults, keys, versions and clouds: what is taken, and what is refused at once."""

import pytest

from signer.errors import UsageError
from signer.providers.azure.cloud import cloud_of
from signer.providers.azure.names import parse_key, parse_secret

PUBLIC = cloud_of({})
VERSION = "0123456789abcdef0123456789ABCDEF"


@pytest.mark.parametrize(
    ("vault", "key", "identifier"),
    [
        ("acme", "k", "https://acme.vault.azure.net/keys/k"),
        ("ACME-1", f"k-1/{VERSION}", f"https://acme-1.vault.azure.net/keys/k-1/{VERSION}"),
        ("https://h.managedhsm.azure.net", "k", "https://h.managedhsm.azure.net/keys/k"),
        ("https://V.example:8443/", "k", "https://v.example:8443/keys/k"),
        (f"https://v.example/keys/k/{VERSION}", None, f"https://v.example/keys/k/{VERSION}"),
        ("https://v.example/keys/k", "k", "https://v.example/keys/k"),
    ],
)
def test_a_key_has_an_identifier(vault: str, key: str | None, identifier: str) -> None:
    assert parse_key(vault, key, PUBLIC).identifier == identifier


@pytest.mark.parametrize(
    ("vault", "key", "code"),
    [
        ("ab", "k", "azure-vault-malformed"),
        ("a" * 25, "k", "azure-vault-malformed"),
        ("1abc", "k", "azure-vault-malformed"),
        ("abc-", "k", "azure-vault-malformed"),
        ("a--c", "k", "azure-vault-malformed"),
        ("abc\n", "k", "azure-vault-malformed"),
        ("a.vault.azure.net", "k", "azure-vault-malformed"),
        ("http://a.vault.azure.net", "k", "azure-vault-malformed"),
        ("https://u@a.vault.azure.net", "k", "azure-vault-malformed"),
        ("https://a.vault.azure.net?x=1", "k", "azure-vault-malformed"),
        ("https://a.vault.azure.net/secrets/k", None, "azure-vault-malformed"),
        ("https://a.vault.azure.net/keys/k/1", None, "azure-key-malformed"),
        ("https://a.vault.azure.net/keys/k", "other", "azure-key-malformed"),
        ("acme", "", "azure-key-malformed"),
        ("acme", "a_b", "azure-key-malformed"),
        ("acme", "a/", "azure-key-malformed"),
        ("acme", f"a/{VERSION}/sign", "azure-key-malformed"),
        ("acme", "a" * 128, "azure-key-malformed"),
        ("acme", None, "setting-missing"),
    ],
)
def test_a_malformed_name_is_refused(vault: str, key: str | None, code: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_key(vault, key, PUBLIC)
    assert refusal.value.code == code
    assert refusal.value.fix


@pytest.mark.parametrize(
    ("host", "name", "suffix"),
    [
        ("", "AzureCloud", "vault.azure.net"),
        ("https://login.microsoftonline.us/", "AzureUSGovernment", "vault.usgovcloudapi.net"),
        ("login.chinacloudapi.cn", "AzureChinaCloud", "vault.azure.cn"),
    ],
)
def test_a_known_cloud_completes_a_vault_s_name(host: str, name: str, suffix: str) -> None:
    cloud = cloud_of({"AZURE_AUTHORITY_HOST": host})
    assert (cloud.name, cloud.is_known) == (name, True)
    assert parse_key("acme", "k", cloud).host == f"acme.{suffix}"


def test_an_unknown_cloud_takes_urls_alone() -> None:
    cloud = cloud_of({"AZURE_AUTHORITY_HOST": "https://login.stack.example/adfs"})
    assert (cloud.authority, cloud.is_known) == ("https://login.stack.example/adfs", False)
    assert parse_key("https://v.stack.example", "k", cloud).host == "v.stack.example"
    with pytest.raises(UsageError, match="not known for"):
        parse_key("acme", "k", cloud)


@pytest.mark.parametrize("text", ["http://login.example", "https://", "https://u:p@login.example"])
def test_a_malformed_authority_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        cloud_of({"AZURE_AUTHORITY_HOST": text})
    assert refusal.value.code == "azure-authority-malformed"


def test_versions_cover_each_other_only_where_they_are_the_same() -> None:
    current, other = parse_key("acme", "k", PUBLIC), parse_key("acme", "l", PUBLIC)
    first = parse_key("acme", f"k/{VERSION}", PUBLIC)
    assert current.covers(first)
    assert first.covers(first)
    assert not first.covers(current)
    assert not other.covers(first)


def test_a_secret_is_not_shown_where_its_reference_is_malformed() -> None:
    reference = parse_secret("azure-keyvault:https://a.vault.azure.net/secrets/s")
    assert reference.identifier == "https://a.vault.azure.net/secrets/s"
    with pytest.raises(UsageError) as refusal:
        parse_secret("azure-keyvault:S3cr3t")
    assert "S3cr3t" not in f"{refusal.value} {refusal.value.fix}"
