"""Ask a service again, with jitter, until a time limit; each retry is told."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


def retry(
    call: Callable[[], Answer],
    *,
    pause_asked: Callable[[Exception], float | None],
    deadline: float,
    what: str,
    notify: Callable[[str], None],
) -> Answer:
    """The answer of a call, made again while its error is one that passes.

    The pause before the n-th retry is random, up to ``FIRST_PAUSE`` times 2 to the n ("full
    jitter": AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        call: the call; it should itself give up by the deadline.
        pause_asked: None for an error that stays; else the least pause in seconds that the
            service asked for (``Retry-After``), or 0.
        deadline: when to give up, on the clock of ``time.monotonic``.
        what: the call's name for the log, such as ``kms:Sign``.
        notify: takes a line of the log.

    Raises:
        Exception: the last error of the call, once it stays or the time is over.
    """
    for attempt in range(1, 1_000):
        try:
            return call()
        except Exception as error:
            asked = pause_asked(error)
            if asked is None:
                raise
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
            pause = max(asked, random.uniform(0, longest))
            if time.monotonic() + pause >= deadline:
                raise
            told = str(error)[:300] or type(error).__name__
            notify(f"{what}: {told}; retry {attempt} in {pause:.1f} s")
            time.sleep(pause)
    raise AssertionError("the deadline comes before a thousand retries")
