"""The table of algorithms, their two families of names, and which key offers which."""

import pytest

from signer.crypto.algorithms import (
    ALGORITHMS,
    KEY_SPECS,
    MessageType,
    algorithm_named,
    azure_name,
    choose_algorithm,
    default_algorithm,
    new_key_spec,
)
from signer.errors import UsageError

AZURE_NAMES = {
    "RS256": "RSASSA_PKCS1_V1_5_SHA_256",
    "RS384": "RSASSA_PKCS1_V1_5_SHA_384",
    "RS512": "RSASSA_PKCS1_V1_5_SHA_512",
    "PS256": "RSASSA_PSS_SHA_256",
    "PS384": "RSASSA_PSS_SHA_384",
    "PS512": "RSASSA_PSS_SHA_512",
    "ES256": "ECDSA_SHA_256",
    "ES256K": "ECDSA_SHA_256",
    "ES384": "ECDSA_SHA_384",
    "ES512": "ECDSA_SHA_512",
    "HS256": "HMAC_SHA_256",
    "HS384": "HMAC_SHA_384",
    "HS512": "HMAC_SHA_512",
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_aws_names_are_themselves(name: str) -> None:
    assert algorithm_named(name) == name


@pytest.mark.parametrize(("azure", "aws"), AZURE_NAMES.items())
def test_azure_names_are_taken(azure: str, aws: str) -> None:
    assert algorithm_named(azure) == aws


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("es256", "ES256"),
        ("ecdsa_sha_256", "ECDSA_SHA_256"),
        ("ECDSA-SHA-384", "ECDSA_SHA_384"),
        ("RSASSA_PSS_SHA256", "RSASSA_PSS_SHA_256"),
        ("ED25519_PH_SHA_512", "ED25519_SHA_512"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(UsageError) as refusal:
        algorithm_named(text)
    assert refusal.value.code == "algorithm-unknown"
    assert text in refusal.value.message
    assert f"did you mean {nearest}?" in refusal.value.fix
    assert all(name in refusal.value.fix for name in (*ALGORITHMS, *AZURE_NAMES))


@pytest.mark.parametrize("text", ["", " ", "NONE", "none", "ECDSA_SHA_256 ", "MD5", "ECDSA_SHA_1"])
def test_nothing_else_is_an_algorithm(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not the name of a signing algorithm"):
        algorithm_named(text)


def test_digests_have_the_length_of_their_hash() -> None:
    lengths = {
        name: entry.digest_length
        for name, entry in ALGORITHMS.items()
        if entry.message_type is MessageType.DIGEST
    }
    assert lengths == {name: int(name[-3:]) // 8 for name in lengths}
    assert len(lengths) == 10


@pytest.mark.parametrize("key_spec", KEY_SPECS)
def test_the_default_is_the_only_one_or_the_one_every_tool_verifies(key_spec: str) -> None:
    if key_spec.startswith("RSA_"):
        assert default_algorithm(key_spec) == "RSASSA_PKCS1_V1_5_SHA_256"
        assert len(KEY_SPECS[key_spec]) == 6
    else:
        assert KEY_SPECS[key_spec] == (default_algorithm(key_spec),)
    assert choose_algorithm(None, key_spec) == default_algorithm(key_spec)


@pytest.mark.parametrize("key_spec", KEY_SPECS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_takes_only_what_it_offers(key_spec: str, algorithm: str) -> None:
    if algorithm in KEY_SPECS[key_spec]:
        assert choose_algorithm(algorithm, key_spec) == algorithm
    else:
        with pytest.raises(UsageError) as refusal:
            choose_algorithm(algorithm, key_spec)
        assert refusal.value.code == "algorithm-not-offered"
        assert key_spec in refusal.value.message


@pytest.mark.parametrize(
    ("requested", "fits", "does_not_fit"),
    [
        ("ES256", "ECC_NIST_P256", "ECC_SECG_P256K1"),
        ("ES256K", "ECC_SECG_P256K1", "ECC_NIST_P256"),
        ("ES384", "ECC_NIST_P384", "ECC_NIST_P256"),
        ("ES512", "ECC_NIST_P521", "ECC_NIST_P384"),
    ],
)
def test_azure_names_fix_the_curve(requested: str, fits: str, does_not_fit: str) -> None:
    assert choose_algorithm(requested, fits) == AZURE_NAMES[requested]
    with pytest.raises(UsageError, match=f"{requested} does not fit a key of the spec"):
        choose_algorithm(requested, does_not_fit)


@pytest.mark.parametrize(
    ("requested", "key_spec"),
    [
        (None, "ECC_NIST_P256"),
        ("ECDSA_SHA_256", "ECC_NIST_P256"),
        ("ES256K", "ECC_SECG_P256K1"),
        ("ES384", "ECC_NIST_P384"),
        ("ECDSA_SHA_512", "ECC_NIST_P521"),
        ("PS512", "RSA_3072"),
        ("RSASSA_PKCS1_V1_5_SHA_256", "RSA_3072"),
        ("ED25519_SHA_512", "ECC_NIST_EDWARDS25519"),
        ("ML_DSA_SHAKE_256", "ML_DSA_65"),
        ("HS384", "HMAC_384"),
    ],
)
def test_a_new_key_fits_what_it_is_made_for(requested: str | None, key_spec: str) -> None:
    assert new_key_spec(requested) == key_spec
    choose_algorithm(requested, key_spec)


def test_no_key_is_made_for_a_digest() -> None:
    with pytest.raises(UsageError) as refusal:
        new_key_spec("SHA_256")
    assert refusal.value.code == "algorithm-not-offered"


@pytest.mark.parametrize("azure", AZURE_NAMES)
def test_azure_names_go_there_and_back(azure: str) -> None:
    assert azure_name(algorithm_named(azure), new_key_spec(azure)) == azure


def test_azure_has_no_name_for_the_others() -> None:
    assert azure_name("ED25519_SHA_512", "ECC_NIST_EDWARDS25519") is None
    assert azure_name("ML_DSA_SHAKE_256", "ML_DSA_65") is None
