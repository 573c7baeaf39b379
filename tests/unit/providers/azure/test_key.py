"""One key, whichever way it is reached: what is checked before and after signing."""

import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from signer.assurance import Assurance
from signer.errors import ProviderError, SignerError, UsageError, VerificationError
from signer.providers.azure.jwk import public_key_of, read_key, signature_of
from signer.providers.azure.key import open_key
from signer.providers.azure.names import Reference
from tests.azure_stand_in import Vault
from tests.unit.providers.azure.support import TENANT, InMemory, open_kind

MADE = datetime(2025, 6, 30, 22, 1, 2, tzinfo=UTC)
DIGEST = sha256(b"a statement").digest()


@pytest.fixture
def calls() -> InMemory:
    made = Vault(host="acme-audit.vault.azure.net", tenant=TENANT)
    made.add("policy")
    return InMemory(made)


def _reference(calls: InMemory, version: str = "", name: str = "policy") -> Reference:
    return Reference(f"https://{calls.vault.host}", "keys", name, version)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"enabled": False}, "azure-key-disabled"),
        ({"exp": int(time.time()) - 1}, "azure-key-expired"),
        ({"nbf": int(time.time()) + 86_400}, "azure-key-not-yet-valid"),
        ({"key_ops": ("verify",)}, "azure-sign-not-permitted"),
        ({"key_ops": ()}, "azure-sign-not-permitted"),
    ],
)
def test_a_key_that_may_not_sign_is_refused(
    calls: InMemory, changes: dict[str, Any], code: str
) -> None:
    for name, value in changes.items():
        setattr(calls.vault.keys["policy"].versions[-1], name, value)
    with pytest.raises(ProviderError) as refusal:
        open_key("azure_kv", calls, _reference(calls))
    assert (refusal.value.code, refusal.value.exit_code) == (code, 3)


def test_a_key_that_is_rotated_meanwhile_still_signs_as_what_it_said(calls: InMemory) -> None:
    key = open_key("azure_kv", calls, _reference(calls))
    said = calls.vault.key_id("policy")
    calls.vault.add("policy")
    key.verify(key.sign(DIGEST), DIGEST)
    assert key.key_id == said


def test_the_first_signature_is_made_alone_and_the_others_side_by_side(
    calls: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = open_key("azure_kv", calls, _reference(calls))
    signed, together = calls.sign, threading.Barrier(3, timeout=10)
    first: list[bool] = []

    def sign(*asked: Any) -> tuple[str, str]:
        if first:
            together.wait()
        else:
            first.append(True)
            time.sleep(0.1)  # so that the others are there, and wait for it
            assert together.n_waiting == 0
        return signed(*asked)

    monkeypatch.setattr(calls, "sign", sign)
    with ThreadPoolExecutor(4) as pool:
        for signature in pool.map(key.sign, [DIGEST] * 4):
            key.verify(signature, DIGEST)


def test_a_pinned_key_with_its_version_is_not_read(calls: InMemory) -> None:
    public_key = open_key("azure_kv", calls, _reference(calls)).public_key
    version = calls.vault.keys["policy"].versions[-1].version
    calls.reads = 0
    key = open_key("azure_kv", calls, _reference(calls, version), pinned=public_key)
    key.verify(key.sign(DIGEST), DIGEST)
    assert calls.reads == 0
    assert "not read" in key.notes[0]


def test_the_date_is_in_the_answer_that_is_read_anyway(calls: InMemory) -> None:
    calls.vault.keys["policy"].versions[-1].created = int(MADE.timestamp())
    key = open_key("azure_kv", calls, _reference(calls))
    calls.vault.add("policy")  # the date is of the version that signs, not of the newest
    assert key.key_created() == MADE
    assert calls.reads == 1


def test_a_pinned_key_is_read_for_its_date_alone_and_once(calls: InMemory) -> None:
    public_key = open_key("azure_kv", calls, _reference(calls)).public_key
    version = calls.vault.keys["policy"].versions[-1]
    version.created = int(MADE.timestamp())
    calls.vault.add("policy")
    calls.reads = 0
    key = open_key("azure_kv", calls, _reference(calls, version.version), pinned=public_key)
    assert [key.key_created(), key.key_created()] == [MADE, MADE]
    assert calls.reads == 1


def test_a_date_of_another_key_than_the_pinned_one_is_refused(calls: InMemory) -> None:
    public_key = open_key("azure_kv", calls, _reference(calls)).public_key
    other = calls.vault.add("policy")
    key = open_key("azure_kv", calls, _reference(calls, other.version), pinned=public_key)
    with pytest.raises(UsageError) as refusal:
        key.key_created()
    assert refusal.value.code == "pinned-key-differs"


def test_where_the_vault_says_no_date_none_is_known(calls: InMemory) -> None:
    calls.vault.keys["policy"].versions[-1].created = None  # type: ignore[assignment]
    assert open_key("azure_kv", calls, _reference(calls)).key_created() is None


@pytest.mark.parametrize("created", [10**30, "yesterday", []])
def test_a_date_that_is_none_is_refused(calls: InMemory, created: Any) -> None:
    calls.vault.keys["policy"].versions[-1].created = created
    with pytest.raises(ProviderError) as refusal:
        open_key("azure_kv", calls, _reference(calls))
    assert refusal.value.code == "azure-answer-malformed"


def test_a_pinned_key_without_version_is_compared(calls: InMemory) -> None:
    pinned = open_key("azure_kv", calls, _reference(calls)).public_key
    assert open_key("azure_kv", calls, _reference(calls), pinned=pinned).public_key == pinned
    calls.vault.add("policy")
    with pytest.raises(UsageError) as refusal:
        open_key("azure_kv", calls, _reference(calls), pinned=pinned)
    assert refusal.value.code == "pinned-key-differs"


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "https://acme-audit.vault.azure.net/keys/policy",
        f"https://acme-audit.vault.azure.net/keys/other/{'0' * 32}",
        f"https://evil.vault.azure.net/keys/policy/{'0' * 32}",
    ],
)
def test_an_answer_about_another_key_is_refused(
    calls: InMemory, key_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = open_key("azure_kv", calls, _reference(calls))
    monkeypatch.setattr(calls, "sign", lambda *_: (key_id, "AAAA"))
    with pytest.raises(ProviderError) as refusal:
        key.sign(DIGEST)
    assert refusal.value.code == "azure-answer-malformed"


def test_a_vault_that_answers_with_another_key_is_refused(calls: InMemory) -> None:
    calls.vault.host = "evil.vault.azure.net"
    with pytest.raises(ProviderError, match="and not https://acme-audit"):
        open_key(
            "azure_kv", calls, Reference("https://acme-audit.vault.azure.net", "keys", "policy")
        )


@pytest.mark.parametrize("algorithm", [None, "HS256", "HMAC_SHA_384", "HS512"])
def test_a_mac_is_verified_by_the_hsm(calls: InMemory, algorithm: str | None) -> None:
    calls.vault.add("mac", "oct-HSM")
    key = open_key("azure_kv", calls, _reference(calls, name="mac"), algorithm=algorithm)
    assert (key.assurance, key.public_key) == (Assurance.SHARED_SECRET, None)
    hasher = key.hasher()
    hasher.update(bytes(100_000))
    signature = key.sign(hasher.digest())
    key.verify(signature, hasher.digest())
    with pytest.raises(VerificationError):
        key.verify(signature[::-1], hasher.digest())
    with pytest.raises(UsageError):
        open_key("azure_kv", calls, _reference(calls, name="mac"), algorithm="ES256")


@pytest.mark.parametrize("size", [0, 63, 65, 70])
def test_a_signature_of_another_length_is_no_ec_signature(size: int) -> None:
    with pytest.raises(ProviderError, match="one of this curve has 64"):
        signature_of(b64encode(bytes(size)).decode(), "ECDSA_SHA_256", "ECC_NIST_P256")


def test_an_rsa_signature_stays_as_it_is() -> None:
    raw = bytes(range(256))
    url = b64encode(raw, altchars=b"-_").decode().rstrip("=")
    for text in (url, b64encode(raw).decode()):
        assert signature_of(text, "RSASSA_PSS_SHA_256", "RSA_2048") == raw
    with pytest.raises(ProviderError, match="not base64"):
        signature_of("?", "RSASSA_PSS_SHA_256", "RSA_2048")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"key": None},
        {"key": {"kid": "x", "kty": "EC"}},
        {"key": {"kid": f"https://a.vault.azure.net/keys/k/{'0' * 32}", "kty": "EC", "crv": "P-1"}},
        {"key": {"kid": f"https://a.vault.azure.net/keys/k/{'0' * 32}", "kty": "OKP"}},
        {
            "key": {"kid": f"https://a.vault.azure.net/keys/k/{'0' * 32}", "kty": "EC"}
            | {"crv": "P-256", "x": "AAAA", "y": "AAAA"}
        },
    ],
)
def test_an_answer_that_is_no_key_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as refusal:
        read_key(answer)
    assert refusal.value.code == "azure-answer-malformed"


def test_a_weak_rsa_key_is_refused() -> None:
    weak = {"kty": "RSA", "n": b64encode(b"\xff" * 127 + b"\xfd").decode(), "e": "AQAB"}
    with pytest.raises(SignerError, match="1024 bits"):
        public_key_of(weak)


def test_az_and_the_service_write_a_key_differently(calls: InMemory) -> None:
    reference = calls.read_key(_reference(calls)).reference
    jwk = calls.vault.keys["policy"].versions[-1].jwk()
    ours = {
        "key": {"kid": reference.identifier, **jwk, "keyOps": ["sign"], "key_ops": None},
        "attributes": {
            "enabled": True,
            "notBefore": "2020-01-01T00:00:00+00:00",
            "expires": None,
            "created": "2025-06-30T22:01:02+00:00",
        },
    }
    key = read_key(ours)
    assert key.operations == ("sign",)
    assert key.not_before is not None
    assert key.not_before.year == 2020
    assert key.created == MADE
    assert key.public_key == calls.read_key(_reference(calls)).public_key


def test_another_kind_of_key_has_its_own_default() -> None:
    assert open_kind("P-384", None).algorithm == "ECDSA_SHA_384"
    assert open_kind("RSA-2048", None).algorithm == "RSASSA_PKCS1_V1_5_SHA_256"
