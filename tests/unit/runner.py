"""An independent reader that follows the rules of a GitHub runner.

Source: actions/runner, ActionCommand.cs (``TryParseV2``, ``TryParse``), FileCommandManager.cs
and the process invoker, which splits streams as .NET's StreamReader.ReadLine does.
"""

import re
from dataclasses import dataclass

# What a runner takes commands by; anything else is only shown.
COMMANDS = {
    *("add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group"),
    *("notice", "remove-matcher", "save-state", "set-env", "set-output", "stop-commands"),
    "warning",
}


@dataclass(frozen=True)
class Command:
    """A command as the runner understood it."""

    name: str
    properties: tuple[tuple[str, str], ...]
    data: str

    @property
    def title(self) -> str | None:
        """The title of an annotation."""
        return dict(self.properties).get("title")


def lines(stream: str) -> list[str]:
    """Lines end at LF, CR LF or a lone CR."""
    return re.split("\r\n|\r|\n", stream)


def commands(stream: str) -> list[Command]:
    """Every command in a stream; between ``stop-commands`` and its token there are none."""
    found: list[Command] = []
    token: str | None = None
    for line in lines(stream):
        if token is not None:
            token = None if line.strip() == f"::{token}::" else token
            continue
        command = second(line) or _first(line)
        if command is None:
            continue
        if command.name == "stop-commands":
            token = command.data
        found.append(command)
    return found


def outputs(text: str) -> dict[str, str]:
    """The outputs in a ``GITHUB_OUTPUT`` file.

    Raises:
        ValueError: the runner would fail the step.
    """
    found: dict[str, str] = {}
    rows = iter(text.split("\n"))
    for row in rows:
        if not row:
            continue
        equals, heredoc = row.find("="), row.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = row[:equals], row[equals + 1 :]
        elif heredoc >= 0:
            name, delimiter = row[:heredoc], row[heredoc + 2 :]
            if not name or not delimiter:
                raise ValueError(f"invalid format: {row!r}")
            held = []
            for each in rows:
                if each == delimiter:
                    break
                held.append(each)
            else:
                raise ValueError(f"matching delimiter not found: {delimiter!r}")
            value = "\n".join(held)
        else:
            raise ValueError(f"invalid format: {row!r}")
        if not name:
            raise ValueError(f"invalid format: {row!r}")
        found[name] = value
    return found


def second(line: str) -> Command | None:
    """A command in the newer syntax, ``::name properties::data``."""
    # TrimStart, and StartsWith by culture: what is not shown does not hide a command.
    text = re.sub(
        r"^[\s\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+",
        "",
        line,
    )
    if not text.startswith("::"):
        return None
    end = text.find("::", 2)
    if end < 0:
        return None
    name, _, rest = text[2:end].partition(" ")
    if name not in COMMANDS:
        return None
    pairs = [pair.partition("=") for pair in rest.strip().split(",") if "=" in pair]
    return Command(
        name,
        tuple((key.strip(), _unescape(value, properties=True)) for key, _, value in pairs),
        _unescape(text[end + 2 :], properties=False),
    )


def _first(line: str) -> Command | None:
    start = line.find("##[")
    if start < 0:
        return None
    end = line.find("]", start)
    if end < 0:
        return None
    name = line[start + 3 : end].split(" ")[0]
    return Command(name, (), line[end + 1 :]) if name in COMMANDS else None


def _unescape(text: str, *, properties: bool) -> str:
    if properties:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
