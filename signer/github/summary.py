"""The step summary: HTML tables, in which nothing foreign is read as Markdown.

Source: GitHub Flavored Markdown, section 4.6, HTML blocks (kind 6 ends at an empty line).
"""

import html
import re
from collections.abc import Iterable, Sequence

from signer.github.commands import log_line
from signer.github.outputs import MAX_SUMMARY_BYTES

_BACKTICKS = re.compile("`([^`]+)`")

# A summary is for people; the outputs have all.
MAX_ROWS = 100


def cell(value: object) -> str:
    """A value as HTML text on one line."""
    return html.escape(log_line(str(value)))


def prose(text: str) -> str:
    """A sentence as HTML text on one line; what stands between backticks is inline code."""
    return _BACKTICKS.sub(r"<code>\1</code>", cell(text))


def code(value: object) -> str:
    """A value as inline code on one line."""
    return f"<code>{cell(value)}</code>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table of cells that are HTML already; at most ``MAX_ROWS`` rows."""
    lines = ["<table>", "<tr>" + "".join(f"<th>{cell(name)}</th>" for name in head) + "</tr>"]
    rows = list(rows)
    lines += [
        "<tr>" + "".join(f"<td>{value}</td>" for value in row) + "</tr>" for row in rows[:MAX_ROWS]
    ]
    if len(rows) > MAX_ROWS:
        lines.append(
            f'<tr><td colspan="{len(head)}">and {len(rows) - MAX_ROWS} more: '
            "see the output <code>results</code></td></tr>"
        )
    return "\n".join([*lines, "</table>"]) + "\n"


def document(title: str, *blocks: str) -> str:
    """A summary from a heading and blocks of HTML; never larger than the runner takes."""
    text = "\n".join([f"## {title}", *blocks]) + "\n"
    if len(text.encode("utf-8", "backslashreplace")) > MAX_SUMMARY_BYTES:
        return f"## {title}\n\nToo large to show: see the outputs.\n\n"
    return text + "\n"
