import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signer.audit.syntax import check, refusal


def stdlib_accepts(text: bytes) -> bool:
    """Whether it is JSON as RFC 8259 has it, without halves of surrogate pairs."""

    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        value = json.loads(text.decode(), parse_constant=no_constant, parse_int=str)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def we_accept(text: bytes) -> bool:
    try:
        check(text)
    except ValueError:
        return False
    return True


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
# Pieces that JSON is made of, and some that it is not.
pieces = st.lists(
    st.sampled_from(
        [
            *'{}[]:,"\\ \n\t\r\x00\x01\x0b\x7f/-+.eE019',
            "\\u",
            "d83d",
            "\\ude00",
            "\\n",
            "true",
            "NaN",
        ]
    ).map(str.encode)
    | st.sampled_from(
        [b"null", b'""', b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf"]
    ),
    max_size=12,
).map(b"".join)


@given(values, st.booleans())
def test_all_that_is_json_is_accepted(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode(errors="replace")
    assert we_accept(text) is stdlib_accepts(text) is True


@given(pieces)
@example(b'"\\ud83d\\ude00"')
@example(b'"\\ud83d"')
def test_nothing_else_is(text: bytes) -> None:
    assert we_accept(text) is stdlib_accepts(text)


@given(values, st.integers(0, 10_000), pieces, st.integers(0, 3))
def test_nor_is_what_was_altered(value: object, at: int, piece: bytes, cut: int) -> None:
    text = json.dumps(value).encode()
    at %= len(text)
    altered = text[:at] + piece + text[at + cut :]
    assert we_accept(altered) is stdlib_accepts(altered)


@given(pieces, st.booleans())
def test_whatever_is_refused_has_a_reason_inside_the_text(text: bytes, at_end: bool) -> None:
    error = refusal(text, path="a", line=5, at_end=at_end)
    if error is None:
        assert we_accept(text)
        return
    assert error.line is not None
    assert error.column is not None
    lines = text.split(b"\n")
    assert 5 <= error.line < 5 + len(lines)
    assert 1 <= error.column <= len(lines[error.line - 5]) + 1


@pytest.mark.parametrize("at_end", [True, False])
def test_only_the_end_of_the_file_is_called_truncated(at_end: bool) -> None:
    error = refusal(b"[1,", path="a", line=1, at_end=at_end)
    assert error
    assert error.code == ("audit-file-truncated" if at_end else "audit-file-invalid-json")
