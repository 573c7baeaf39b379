"""Key age: against a policy's limit, and against a year where there is none."""

from datetime import UTC, datetime, timedelta

import pytest

from signer.doctor.age import key_age

DAY = timedelta(days=1)


def _made(days: float) -> datetime:
    # Some minutes younger, so that a day does not become two while the test runs.
    return datetime.now(UTC) - days * DAY + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("days", "limit", "status"),
    [
        (1, None, "ok"),
        (365, None, "ok"),
        (366, None, "warn"),
        (79, 100, "ok"),
        (81, 100, "warn"),
        (100, 100, "warn"),
        (101, 100, "fail"),
        (400, 1000, "ok"),
        (-1, 100, "fail"),  # a clock is wrong
    ],
)
def test_how_old_is_too_old(days: float, limit: int | None, status: str) -> None:
    made = _made(days)
    check = key_age(made, None if limit is None else limit * DAY, "")
    assert check.status == status
    assert bool(check.fix) == (status != "ok")
    assert check.exit_code == (4 if status == "fail" else 0)
    assert f"{made:%Y-%m-%d}" in check.detail


def test_a_key_without_a_date_says_why() -> None:
    check = key_age(None, None, "nobody tells")
    assert (check.status, "nobody tells" in check.detail) == ("skip", True)
