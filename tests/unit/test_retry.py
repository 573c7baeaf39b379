"""Pauses between attempts: random, growing, bounded, at least what was asked for, and told."""

from collections.abc import Callable

import pytest

from signer import retry as module
from signer.retry import FIRST_PAUSE, LONGEST_PAUSE, retry
from tests.unit.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def _fails(times: int) -> Callable[[], int]:
    calls = iter(range(times + 1))

    def call() -> int:
        number = next(calls)
        if number < times:
            raise OSError(f"failure {number}")
        return number

    return call


def _retry(
    clock: Clock, call: Callable[[], int], *, seconds: float = 600, asked: float | None = 0.0
) -> tuple[int, list[str]]:
    told: list[str] = []
    answer = retry(
        call,
        pause_asked=lambda _: asked,
        deadline=clock.now + seconds,
        what="kms:Sign",
        notify=told.append,
    )
    return answer, told


def test_pauses_are_random_below_a_bound_that_doubles(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: list[tuple[float, float]] = []

    def quarter(low: float, high: float) -> float:
        bounds.append((low, high))
        return low + (high - low) / 4

    monkeypatch.setattr("signer.retry.random.uniform", quarter)
    answer, told = _retry(clock, _fails(8))
    assert answer == 8
    highest = [0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0]
    assert (FIRST_PAUSE, LONGEST_PAUSE) == (0.2, 10.0)
    assert [low for low, _ in bounds] == [0] * 8
    assert [high for _, high in bounds] == [pytest.approx(high) for high in highest]
    assert clock.slept == [pytest.approx(high / 4) for high in highest]
    assert told[0] == "kms:Sign: failure 0; retry 1 in 0.1 s"
    assert len(told) == 8


def test_two_that_fail_together_do_not_come_back_together(clock: Clock) -> None:
    series = []
    for _ in range(2):
        _retry(clock, _fails(8))
        series.append(clock.slept[:])
        clock.slept.clear()
    assert series[0] != series[1]
    assert len(set(series[0])) == 8


def test_a_pause_that_the_service_asks_for_is_kept(clock: Clock) -> None:
    _retry(clock, _fails(3), asked=20.0)
    assert clock.slept == [20.0, 20.0, 20.0]


def test_what_stays_is_not_tried_again(clock: Clock) -> None:
    with pytest.raises(OSError, match="failure 0"):
        _retry(clock, _fails(3), asked=None)
    assert clock.slept == []


def test_no_pause_reaches_the_deadline(clock: Clock) -> None:
    begun = clock.now
    with pytest.raises(OSError, match="failure 3"):
        _retry(clock, _fails(100), seconds=80, asked=20.0)
    assert clock.slept == [20.0, 20.0, 20.0]
    assert clock.now - begun < 80
