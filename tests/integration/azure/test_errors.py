"""Every error that the vault or Entra answers with, in the service's own form."""

import re
import time
from collections.abc import Callable

import pytest

from tests.azure_stand_in import Answer, Fault
from tests.integration.azure.conftest import Place

THROTTLED = {
    "error": {
        "code": "Throttled",
        "message": "Request was not processed because too many requests were received. Reason: "
        "VaultRequestTypeLimitReached",
    }
}
UNAVAILABLE = {"error": {"code": "ServiceUnavailable", "message": "The server is busy."}}


def _disable(place: Place) -> None:
    place.vault.keys["policy"].versions[-1].enabled = False


def _expire(place: Place) -> None:
    place.vault.keys["policy"].versions[-1].exp = int(time.time()) - 60


def _begin_later(place: Place) -> None:
    place.vault.keys["policy"].versions[-1].nbf = int(time.time()) + 600


def _only_encrypt(place: Place) -> None:
    place.vault.keys["policy"].versions[-1].key_ops = ("encrypt", "wrapKey")


def _delete(place: Place) -> None:
    place.vault.keys["policy"].deleted = True


def _remove(place: Place) -> None:
    del place.vault.keys["policy"]


def _deny(place: Place) -> None:
    place.vault.grants.discard((place.application.client_id, "keys/sign/action"))


def _deny_by_policy(place: Place) -> None:
    place.vault.access_policy = True
    _deny(place)


def _close_firewall(place: Place) -> None:
    place.vault.firewall = True


def _move_tenant(place: Place) -> None:
    place.vault.tenant = "11111111-2222-3333-4444-555555555555"


ERRORS: dict[str, Callable[[Place], None]] = {
    "azure-key-disabled": _disable,
    "azure-key-expired": _expire,
    "azure-key-not-yet-valid": _begin_later,
    "azure-sign-not-permitted": _only_encrypt,
    "azure-key-deleted": _delete,
    "azure-key-not-found": _remove,
    "azure-denied-by-role": _deny,
    "azure-denied-by-policy": _deny_by_policy,
    "azure-denied-by-firewall": _close_firewall,
}
THROUGH_AZ = ("azure-key-deleted", "azure-denied-by-firewall", "azure-denied-by-policy")


def _check(
    place: Place, code: str, *options: str, key: str = "policy", name: str | None = None
) -> str:
    ended = place.sign(*options, key=key, name=name)
    assert (ended.code, ended.error) == (3, code), ended.log
    assert "  fix: " in ended.log
    assert not (place.folder / "audit.jsonl.sigstore.json").exists()
    return ended.log


@pytest.mark.parametrize("code", ERRORS)
def test_what_the_vault_refuses(sdk: Place, code: str) -> None:
    ERRORS[code](sdk)
    log = _check(sdk, code)
    if code.startswith("azure-denied"):
        assert "request id " in log.partition("error[")[2]


@pytest.mark.parametrize("code", THROUGH_AZ)
def test_what_the_vault_refuses_to_az(cli: Place, code: str) -> None:
    ERRORS[code](cli)
    _check(cli, code)


def test_the_request_ids_are_told(place: Place) -> None:
    ended = place.sign()
    assert ended.code == 0, ended.log
    told = re.findall(r"sign: 200, request id [0-9a-f]{8}-[0-9a-f-]{27}\b", ended.log)
    assert told, ended.log
    (place.folder / "audit.jsonl.sigstore.json").unlink()
    _deny(place)
    log = _check(place, "azure-denied-by-role")
    assert re.search(r"sign: 403, request id [0-9a-f]{8}-", log), log
    assert "INFO: " not in log


@pytest.mark.parametrize("what", [_disable, _expire, _begin_later, _only_encrypt])
def test_a_pinned_key_is_refused_by_the_vault_itself(
    sdk: Place, what: Callable[[Place], None]
) -> None:
    assert sdk.sign().code == 0
    (sdk.folder / "audit.jsonl.sigstore.json").unlink()
    (sdk.folder / "audit.jsonl.pub").rename(sdk.folder / "pinned.pub")
    what(sdk)
    wanted: dict[Callable[[Place], None], str] = {
        _disable: "azure-key-disabled",
        _only_encrypt: "azure-sign-not-permitted",
    }
    version = sdk.vault.keys["policy"].versions[-1].version
    _check(
        sdk, wanted.get(what, "azure-denied"), "--public-key=pinned.pub", key=f"policy/{version}"
    )


def test_a_vault_of_another_tenant(sdk: Place) -> None:
    _move_tenant(sdk)
    assert "11111111-2222" in _check(sdk, "azure-sign-in-failed")


def test_a_token_that_the_vault_does_not_take(sdk: Place) -> None:
    sdk.azure.entra.lifetime = -600
    _check(sdk, "azure-unauthorized")


def test_the_answer_s_own_key_id_is_checked(sdk: Place) -> None:
    other = f"https://{sdk.vault.host}/keys/other/{'0' * 32}"
    sdk.azure.faults.append(Fault("POST *sign", Answer(200, {"kid": other, "value": "AAAA"})))
    _check(sdk, "azure-answer-malformed")


@pytest.mark.parametrize("headers", [{"Retry-After": "1"}, {}], ids=["told", "untold"])
def test_throttling_is_waited_for(place: Place, headers: dict[str, str]) -> None:
    """The SDK alone does not try again after a 429 without Retry-After."""
    fault = Fault("POST *sign", Answer(429, THROTTLED, headers), times=2)
    place.azure.faults.append(fault)
    begun = time.monotonic()
    ended = place.sign()
    assert ended.code == 0, ended.log
    assert fault.times == 0
    if place.provider == "azure_kv_sdk":
        assert "Key Vault sign: 429 Throttled; retry 2 in" in ended.log
        assert time.monotonic() - begun > 2 * len(headers)


def test_a_broken_connection_is_tried_again(place: Place) -> None:
    """The SDK alone does not try again after a POST whose connection broke."""
    fault = Fault("POST *sign", Answer(cut=True), times=2)
    place.azure.faults.append(fault)
    ended = place.sign()
    assert ended.code == 0, ended.log
    assert fault.times == 0
    assert "; retry 2 in" in ended.log


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_service_that_fails_is_tried_again(sdk: Place, status: int) -> None:
    sdk.azure.faults.append(Fault("POST *sign", Answer(status, UNAVAILABLE)))
    sdk.azure.faults.append(Fault("POST login*", Answer(status, {"error": "server_error"})))
    assert sdk.sign().code == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(429, THROTTLED), "azure-throttled"),
        (Answer(429, THROTTLED, {"Retry-After": "30"}), "azure-throttled"),
        (Answer(503, UNAVAILABLE), "azure-unavailable"),
        (Answer(502, None), "azure-unavailable"),
        (Answer(cut=True), "azure-unreachable"),
    ],
    ids=["throttled", "told", "busy", "gateway", "cut"],
)
def test_all_of_it_ends_in_time(sdk: Place, answer: Answer, code: str) -> None:
    sdk.azure.faults.append(Fault("GET acme*", answer, times=1000))
    begun = time.monotonic()
    _check(sdk, code, "--provider-timeout=2s")
    assert time.monotonic() - begun < 10


def test_the_error_of_reading_the_key_is_told(sdk: Place) -> None:
    """The SDK's own client swallows it, and reports a key id without version then."""
    sdk.vault.grants.discard((sdk.application.client_id, "keys/read"))
    log = _check(sdk, "azure-denied-by-role")
    assert "keys/read" in log
    assert sdk.asked("/sign") == 0


def test_no_such_vault(sdk: Place) -> None:
    del sdk.environ["HTTPS_PROXY"]
    url = "https://no-such-vault.vault.invalid"
    assert "no-such-vault.vault.invalid" in _check(sdk, "azure-vault-not-found", name=url)


def test_no_such_vault_behind_a_proxy(place: Place) -> None:
    assert "no-such-vault" in _check(place, "azure-proxy-failed", name="no-such-vault")


def test_a_certificate_that_is_not_trusted(place: Place) -> None:
    del place.environ["REQUESTS_CA_BUNDLE"]
    _check(place, "azure-tls-failed")


def test_a_challenge_for_somebody_else_gets_no_token(sdk: Place) -> None:
    login = f"https://login.microsoftonline.com/{sdk.azure.entra.tenant}"
    challenge = f'Bearer authorization="{login}", resource="https://vault.evil.example"'
    sdk.vault.challenge = challenge
    _check(sdk, "azure-challenge-refused")
    assert sdk.asked("POST login") == 0
