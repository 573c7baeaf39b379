"""The two providers without a service: the length of the secret, and what they import."""

import subprocess
import sys

import pytest

from signer.errors import UsageError
from signer.providers import hmac_key


@pytest.mark.parametrize("length", [0, 1, 15])
def test_a_secret_that_is_too_short_is_refused_and_not_shown(length: int) -> None:
    secret = b"S3cr3t-of-15-by"[:length]
    with pytest.raises(UsageError, match=f"has {length} bytes") as refusal:
        hmac_key.open_key(secret)
    assert refusal.value.code == "hmac-key-too-short"
    assert length < 2 or secret.decode() not in f"{refusal.value} {refusal.value.fix}"


@pytest.mark.parametrize(("length", "short"), [(16, True), (31, True), (32, False), (64, False)])
def test_a_short_secret_is_told(length: int, short: bool) -> None:
    assert bool(hmac_key.open_key(bytes(length)).warnings) is short


def test_the_secret_is_in_no_representation() -> None:
    provider = hmac_key.open_key(b"0123456789abcdef")
    assert "0123456789abcdef" not in f"{provider!r} {provider} {provider.key_id}"


def test_azure_s_name_of_the_algorithm_is_taken() -> None:
    assert hmac_key.open_key(bytes(32), "HS256").algorithm == "HMAC_SHA_256"


@pytest.mark.parametrize("module", ["hmac_key", "sha256_digest"])
def test_no_library_for_keys_is_imported(module: str) -> None:
    code = f"import sys, signer.providers.{module}; print('cryptography' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert printed.stdout == b"False\n"
