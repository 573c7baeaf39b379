"""What the runner reads back from a step, by its own rules.

Source: actions/runner, FileCommandManager.cs (``EnvFileKeyValuePairs``), ActionCommand.cs
(``TryParseV2``, ``TryParse``) and OutputManager.cs. Linux: lines split at LF only.
"""

import re
from dataclasses import dataclass, field

# ActionCommandManager.cs and its extensions.
_REGISTERED = {
    *("add-mask", "add-matcher", "remove-matcher", "add-path", "set-env", "set-output"),
    *("save-state", "debug", "error", "warning", "notice", "group", "endgroup", "echo"),
    *("stop-commands", "internal-set-repo-path"),
}


class CommandFileError(Exception):
    """The runner would fail the step for this file."""


@dataclass(frozen=True)
class Command:
    """A workflow command found in a log.

    Attributes:
        name: such as ``error``.
        data: its message, unescaped.
        properties: its properties, unescaped.
    """

    name: str
    data: str
    properties: dict[str, str] = field(default_factory=dict)


def read_key_values(text: str) -> dict[str, str]:
    """The outputs (or variables) in a command file; the last of a name wins.

    Raises:
        CommandFileError: what the runner would fail the step for.
    """
    values: dict[str, str] = {}
    index = 0
    while index < len(text):
        line, index = _line(text, index)
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
            if not name:
                raise CommandFileError(f"no name: {line!r}")
        elif heredoc >= 0:
            name, delimiter = line.split("<<", 1)
            if not name or not delimiter:
                raise CommandFileError(f"no name or no delimiter: {line!r}")
            lines: list[str] = []
            while True:
                if index >= len(text):
                    raise CommandFileError(f"delimiter not found: {delimiter!r}")
                line, index = _line(text, index)
                if line == delimiter:
                    break
                lines.append(line)
            value = "\n".join(lines)
        else:
            raise CommandFileError(f"neither = nor <<: {line!r}")
        values[name] = value
    return values


def read_commands(log: str) -> list[Command]:
    """Every workflow command in a log, in both syntaxes, minding ``stop-commands``."""
    found: list[Command] = []
    resume: str | None = None
    for line in re.split("\r\n|\n|\r", log):
        command = _version_2(line, resume) or _version_1(line, resume)
        if command is None:
            continue
        if resume is not None:
            resume = None
        elif command.name == "stop-commands":
            resume = command.data
        else:
            found.append(command)
    return found


def _line(text: str, index: int) -> tuple[str, int]:
    end = text.find("\n", index)
    return (text[index:], len(text)) if end < 0 else (text[index:end], end + 1)


def _known(name: str, resume: str | None) -> bool:
    return name == resume if resume is not None else name.lower() in _REGISTERED


def _version_2(line: str, resume: str | None) -> Command | None:
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, properties = line[2:end].partition(" ")
    if not _known(name, resume):
        return None
    escapes = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    return Command(
        name.lower(),
        _unescape(line[end + 2 :], {"%0D": "\r", "%0A": "\n", "%25": "%"}),
        _properties(properties, ",", escapes),
    )


def _version_1(line: str, resume: str | None) -> Command | None:
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, properties = line[start + 3 : end].partition(" ")
    if not _known(name, resume):
        return None
    escapes = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%25": "%"}
    data = _unescape(line[end + 1 :], escapes)
    return Command(name.lower(), data, _properties(properties, ";", escapes))


def _properties(text: str, separator: str, escapes: dict[str, str]) -> dict[str, str]:
    pairs = (pair.split("=", 1) for pair in text.strip().split(separator) if "=" in pair)
    return {name: _unescape(value, escapes) for name, value in pairs if name and value}


def _unescape(text: str, escapes: dict[str, str]) -> str:
    for escape, character in escapes.items():
        text = text.replace(escape, character)
    return text
