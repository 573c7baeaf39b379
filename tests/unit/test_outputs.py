"""Outputs and summaries, read back by the runner's own rules."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signer.errors import OutputError
from signer.github.outputs import MAX_SUMMARY_BYTES, write_outputs, write_summary
from signer.github.summary import MAX_ROWS, cell, code, document, table
from signer.report.runner import flat
from tests.unit import runner
from tests.unit.test_commands import TEXT

NAMES = st.sampled_from(["signature", "files", "results", "message", "key-id"])
VALUES = TEXT | st.lists(
    st.sampled_from(
        ["verified=true", "verified<<X", "X", "", "ghadelimiter_", "<<", "=", "EOF", "a\r", "\r"]
    )
).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(values=st.dictionaries(NAMES, VALUES))
def test_outputs_are_read_back_whole_and_no_other_is_there(
    tmp_path: Path, values: dict[str, str]
) -> None:
    path = tmp_path / "outputs"
    path.write_text("before=1\n")
    write_outputs(path, values)
    shown = {
        name: value.encode("utf-8", "backslashreplace").decode() for name, value in values.items()
    }
    assert runner.outputs(path.read_bytes().decode()) == {"before": "1", **shown}


def test_a_delimiter_is_never_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "outputs"
    write_outputs(path, {"a": "1", "b": "2"})
    write_outputs(path, {"c": "3"})
    delimiters = re.findall("<<(.+)", path.read_text())
    assert len(set(delimiters)) == 3
    assert all(len(delimiter) >= 32 for delimiter in delimiters)


def test_values_are_text_lists_lines_and_the_rest_json() -> None:
    fields = {"a": "x", "event-count": 3, "verified": True, "files": ["a", "b"], "results": [{}]}
    assert flat(fields) == {
        "a": "x", "event-count": "3", "verified": "true", "files": "a\nb", "results": "[{}]",
    }  # fmt: skip


@pytest.mark.parametrize(
    "write", [lambda path: write_outputs(path, {"a": "b"}), lambda path: write_summary(path, "x")]
)
def test_a_runners_file_that_cannot_be_written_is_named(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    path = tmp_path / "missing" / "file"
    with pytest.raises(OutputError, match=r"runner's file .*missing/file") as caught:
        write(path)
    assert caught.value.code == "runner-file-failed"


class _Tables(HTMLParser):
    """The text of each cell, and every element that is there."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.elements: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data


MARKUP = TEXT | st.lists(
    st.sampled_from(
        ["<script>", "</td>", "</table>", "\n\n", "# h", "|", "`", "![x](http://x)", "&amp;", '"',
         "<!--", "-->", "@all", "${{ secrets.X }}", "<img src=x onerror=y>", "</code>", "\r\n\r\n"]
    )
).map("".join)  # fmt: skip


@settings(max_examples=200)
@given(MARKUP, MARKUP)
def test_nothing_foreign_in_a_summary_is_markup(one: str, two: str) -> None:
    text = document("Title", table(("A", "B"), [(code(one), cell(two))]))
    # An empty line would end the HTML block, and Markdown would be read again after it.
    inside = text[text.index("<table>") : text.index("</table>")]
    assert "\n\n" not in inside
    assert "\r" not in text
    assert text.startswith("## Title\n")
    reader = _Tables()
    reader.feed(inside)
    assert reader.elements <= {"table", "tr", "th", "td", "code"}
    assert len(reader.cells) == 4


def test_a_summary_has_at_most_so_many_rows() -> None:
    text = table(("A",), [(cell(number),) for number in range(MAX_ROWS + 7)])
    assert text.count("<tr>") == MAX_ROWS + 2
    assert "and 7 more" in text


def test_a_summary_is_never_larger_than_the_runner_takes() -> None:
    row = ("é" * (MAX_SUMMARY_BYTES // 100),)
    text = document("Title", table(("A",), [row] * 60))
    assert len(text.encode()) < MAX_SUMMARY_BYTES
    assert "Too large" in text
    assert "é" in document("Title", table(("A",), [row] * 20))
