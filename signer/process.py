"""The frame of a process: signals, unforeseen errors and exit codes."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from signer.errors import SignerError
from signer.log import Log

EXIT_INTERNAL = 70
"""An error in the signer itself (sysexits.h, EX_SOFTWARE)."""


class Stopped(BaseException):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(job: Callable[[], int], log: Log) -> NoReturn:
    """Run a job and end the process with its exit code, whatever happens.

    A signal unwinds the job, so that temporary files go, and ends the process at once with
    128 + its number: threads that wait for a service are not waited for.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        code = job()
    except Stopped as stopped:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        log.info(f"stopped by {signal.Signals(stopped.number).name}; nothing is half-written")
        code = 128 + stopped.number
    except SignerError as error:
        log.error(error)
        code = error.exit_code
    except BrokenPipeError:
        # Who read our output has gone: say nothing more, also not when the streams are closed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
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
        code = EXIT_INTERNAL
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def tolerant_streams() -> None:
    """Print any text on any stream: what cannot be encoded is escaped, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped(number)
