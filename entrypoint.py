"""The container's entry point: hand over to the action."""

import os
import signal
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run the action.

    A container's first process never gets a signal that it has no handler for, so that a job
    cancelled while the imports run would go on: until the action has handlers of its own, and
    something to clear away, a signal ends the process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from signer import action

    action.main()


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(128 + number)


if __name__ == "__main__":
    main()
