"""The frame of a process: signals, unforeseen errors and exit codes."""

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from signer.errors import OutputError, SignerError
from signer.log import Log

EXIT_INTERNAL = 70
"""An error in the signer itself (sysexits.h, EX_SOFTWARE)."""


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(job: Callable[[], int], log: Log) -> NoReturn:
    """Run a job and end the process with its exit code, whatever happens.

    The first signal (SIGINT, SIGTERM, SIGHUP, SIGQUIT) unwinds the job, so that temporary files go,
    and ends the process at once with 128 + its number: threads that wait for a service are not
    waited for.
    """
    # Looking for cycles while a cloud's SDK loads takes an eighth of a run and frees nothing.
    gc.set_threshold(100_000)
    code = EXIT_INTERNAL
    try:
        for number in _SIGNALS:
            signal.signal(number, _stop)
        code = _outcome(job, log)
        with suppress(OSError):
            sys.stderr.flush()
        sys.stdout.flush()
    except Stopped as stopped:
        code = 128 + stopped.number
    except OSError:
        # Who read the answer has gone, or its disk is full: a success was not told to anybody.
        code = code or OutputError.exit_code
    finally:
        os._exit(code)


def _outcome(job: Callable[[], int], log: Log) -> int:
    try:
        return job()
    except Stopped as stopped:
        log.info(f"stopped by {signal.Signals(stopped.number).name}; nothing is half-written")
        return 128 + stopped.number
    except SignerError as error:
        log.error(error)
        return error.exit_code
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except Exception as error:
        for line in traceback.format_exception(error):
            for part in line.rstrip().split("\n"):
                log.info(part)
        log.error(
            SignerError(
                "internal",
                f"an error in the signer itself: {type(error).__name__}: {error}",
                fix="please report it with the lines above; nothing is half-written.",
            )
        )
        return EXIT_INTERNAL


def tolerant_streams() -> None:
    """Print any text on any stream: what cannot be encoded is escaped, never an error.

    A stream that was closed by who started us is there, and leads nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    # Another signal must not interrupt the tidying up after this one.
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)
