"""How old a key may be: the rule, its edges, the warning, and what is told."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from signer.assurance import Assurance
from signer.errors import UsageError
from signer.gate import key_age
from signer.gate.decide import Permit
from signer.gate.matching import Request, ask, no_rule
from signer.gate.policy import SigningPolicy, load

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT = 365 * DAY
POLICY = """version: 1
rules:
  - name: young
    runs: {repository_id: 1}
    may_sign_with: {provider: PROVIDER, max_key_age: AGE}
"""


def loaded(tmp_path: Path, age: str = "365d", provider: str = "kms") -> SigningPolicy:
    path = tmp_path / "policy.yml"
    path.write_text(POLICY.replace("AGE", age).replace("PROVIDER", provider))
    return load(path).policy


def request(created: datetime | None, provider: str = "kms") -> Request:
    return Request(
        provider=provider,
        keys=("alias/audit",),
        algorithm="ECDSA_SHA_256",
        assurance=Assurance.SOFTWARE_KEY,
        key_created=created,
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("90m", timedelta(minutes=90)),
        ("24h", DAY),
        ("365d", LIMIT),
        ("999999d", 999_999 * DAY),
    ],
)
def test_a_number_and_a_unit(tmp_path: Path, text: str, meant: timedelta) -> None:
    assert loaded(tmp_path, text).rules[0].may_sign_with.max_key_age == meant


@pytest.mark.parametrize(
    "text", ["365", "1y", "-1d", "1.5d", "365 d", "''", "1000000d", "[1d]", "٣d"]
)
def test_what_is_no_age(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == "policy-invalid"
    assert "max_key_age" in caught.value.message


@pytest.mark.parametrize(
    ("provider", "age", "said"),
    [
        ("hmac", "1d", "nothing is known of the age of what hmac signs with"),
        ("sha256", "1d", "nothing is known of the age of what sha256 signs with"),
        ("[hmac, sha256]", "1d", "nothing is known"),
        ("[kms, hmac]", "1d", "of what hmac signs with"),
        ("kms", "0d", "no key is younger"),
    ],
)
def test_a_rule_that_can_never_match_is_an_error(
    tmp_path: Path, provider: str, age: str, said: str
) -> None:
    with pytest.raises(UsageError, match="can never match") as caught:
        loaded(tmp_path, age, provider)
    assert said in caught.value.message


SECOND = timedelta(seconds=1)
SKEW = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("age", "allowed"),
    [
        (timedelta(0), True),
        (LIMIT - SECOND, True),
        (LIMIT, True),
        (LIMIT + SECOND, False),
        (10 * LIMIT, False),
        (-SKEW, True),
        (-SKEW - SECOND, False),
        (-DAY, False),
    ],
)
def test_the_edges(tmp_path: Path, age: timedelta, allowed: bool) -> None:
    answer = ask(loaded(tmp_path), {"repository_id": "1"}, request(NOW - age), at=NOW)
    assert (answer.rule is not None) is allowed


def test_an_age_is_measured_in_the_seconds_that_a_statement_has() -> None:
    created, at = NOW.replace(microsecond=900_000), NOW.replace(microsecond=100_000)
    assert key_age.age_of(created, at + LIMIT) == LIMIT
    tokyo = timezone(timedelta(hours=9))
    assert key_age.age_of(created.astimezone(tokyo), at + LIMIT) == LIMIT


def test_an_age_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    answer = ask(loaded(tmp_path), {"repository_id": "1"}, request(None))
    assert answer.rule is None
    assert "max_key_age is 'not known', wanted at most 365 days" in no_rule(answer).message


def test_a_refusal_explains_itself(tmp_path: Path) -> None:
    policy = loaded(tmp_path)
    old = ask(policy, {"repository_id": "1"}, request(NOW - LIMIT - 3605 * SECOND), at=NOW)
    refusal = no_rule(old)
    assert "max_key_age is '365 days, 1:00:05', wanted at most 365 days" in refusal.message
    assert "rotate the key" in refusal.fix
    later = ask(policy, {"repository_id": "1"}, request(NOW + 2 * DAY), at=NOW)
    assert "made 2 days later: a clock is wrong" in no_rule(later).message
    other = no_rule(ask(policy, {"repository_id": "2"}, request(NOW - 2 * LIMIT), at=NOW))
    assert "repository_id is '2'" in other.message
    assert "max_key_age is '730 days'" in other.message
    assert "rotate" not in other.fix


def test_claims_alone_are_not_asked_for_a_key(tmp_path: Path) -> None:
    assert ask(loaded(tmp_path), {"repository_id": "1"}).rule is not None


@pytest.mark.parametrize(
    ("age", "limit", "said"),
    [
        (292 * DAY - SECOND, LIMIT, None),
        (292 * DAY, LIMIT, "292 of 365 days old"),
        (364 * DAY + 3600 * SECOND, LIMIT, "364 of 365 days old"),
        (timedelta(hours=39), timedelta(hours=48), "1 of 2 days old"),
        (timedelta(hours=28), timedelta(hours=36), None),
        (timedelta(hours=29), timedelta(hours=36), "29 of 36 hours old"),
        (timedelta(minutes=73), timedelta(minutes=90), "73 of 90 minutes old"),
        (timedelta(seconds=72), timedelta(seconds=90), "72 of 90 seconds old"),
        (-SECOND, LIMIT, None),
    ],
)
def test_it_is_warned_of_from_four_fifths_on(
    age: timedelta, limit: timedelta, said: str | None
) -> None:
    assert key_age.warning(age, limit) == said


def test_a_permit_warns_by_the_rule_that_allowed(tmp_path: Path) -> None:
    rule = loaded(tmp_path).rules[0]
    permit = Permit("0" * 64, rule, {}, {}, None, "", NOW, NOW - 300 * DAY)
    assert permit.key_age_warning == "300 of 365 days old"
    assert Permit("0" * 64, rule, {}, {}, None, "", NOW).key_age_warning is None
