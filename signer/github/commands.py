"""What is printed on a runner, so that nothing foreign in it becomes a workflow command.

Source: actions/runner, ActionCommand.cs. A line that starts with ``::name`` after white space is
a command; so is the older ``##[name]`` anywhere in a line; a lone CR starts a line too.
"""

import re
from collections.abc import Mapping

# GitHub cuts longer annotation messages.
MAX_ANNOTATION = 4_096

# Characters that end a line, are invisible or turn the direction of writing (Unicode, Cf).
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
# .NET compares text by culture, which passes over characters that have no weight.
_COMMAND = re.compile("[^!-~]*::")


def command(name: str, message: str, properties: Mapping[str, str] | None = None) -> str:
    """A workflow command on one line, escaped as the runner undoes it.

    Args:
        name: such as ``error``, ``warning``, ``notice``, ``add-mask``.
        message: any text.
        properties: such as ``title``, ``file``, ``line``, ``col``.
    """
    pairs = ",".join(
        f"{key}={_escape_property(value)}" for key, value in (properties or {}).items()
    )
    return f"::{name}{' ' + pairs if pairs else ''}::{_escape_data(message)}"


def log_line(text: str) -> str:
    """Text as exactly one log line that cannot be a command in either syntax."""
    line = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text).replace("##[", "#\\x23[")
    # A zero-width character would be invisible; a full stop shows that something was there.
    return f".{line}" if _COMMAND.match(line) else line


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
