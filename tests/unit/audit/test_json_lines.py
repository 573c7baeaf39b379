import json
from collections.abc import Callable
from hashlib import sha256

import pytest

from signer.errors import AuditFileError
from tests.unit.audit.conftest import Read
from tests.unit.audit.reference import line_events, tree_hash

Refused = Callable[..., AuditFileError]

DEEP = b"[" * 100_000 + b"]" * 100_000

# name: content, code without "audit-file-", line, column
MALFORMED: dict[str, tuple[bytes, str, int, int]] = {
    "truncated object": (b'{"a":1}\n{"a":', "truncated", 2, 6),
    "truncated string": (b'{"a":1}\n"abc', "truncated", 2, 5),
    "truncated literal": (b"1\n2\ntru", "truncated", 3, 4),
    "truncated number": (b"1\n-", "truncated", 2, 2),
    "truncated escape": (b'"\\u12', "truncated", 1, 6),
    "truncated UTF-8": (b'1\n"\xe2\x82', "not-utf8", 2, 2),
    "cut in the middle of the file": (b'{"a":\n{"a":1}\n', "invalid-json", 1, 6),
    "cut before its LF": (b'1\n{"a":\n', "invalid-json", 2, 6),
    "value over two lines": (b"[1,\n2]\n", "invalid-json", 1, 4),
    "string over two lines": (b'"a\nb"\n', "invalid-json", 1, 3),
    "two values in a line": (b"1\n1 2\n", "invalid-json", 2, 3),
    "two values hidden by a line of spaces": (b"1 2\n \n", "invalid-json", 1, 3),
    "line of spaces": (b"1\n  \n2\n", "invalid-json", 2, 3),
    "spaces at the end": (b"1\n  ", "invalid-json", 2, 3),
    "line of two CR": (b"1\r\n\r\r\n", "invalid-json", 2, 2),
    "trailing comma": (b'1\n2\n{"a":1,}\n', "invalid-json", 3, 8),
    "trailing text": (b'{"a":1}x\n', "invalid-json", 1, 8),
    "no colon": (b'{"a" 1}\n', "invalid-json", 1, 6),
    "single quotes": (b"{'a':1}\n", "invalid-json", 1, 2),
    "unquoted name": (b"{a:1}\n", "invalid-json", 1, 2),
    "comment": (b"1 // one\n", "invalid-json", 1, 3),
    "NaN": (b"1\n[NaN]\n", "invalid-json", 2, 2),
    "Infinity": (b"Infinity\n", "invalid-json", 1, 1),
    "leading zero": (b"[01]\n", "invalid-json", 1, 3),
    "plus sign": (b"[+1]\n", "invalid-json", 1, 2),
    "bare fraction": (b"[.5]\n", "invalid-json", 1, 2),
    "no fraction": (b"[1.]\n", "invalid-json", 1, 4),
    "no exponent": (b"[1e]\n", "invalid-json", 1, 4),
    "True": (b"True\n", "invalid-json", 1, 1),
    "unknown escape": (b'"\\x41"\n', "invalid-json", 1, 3),
    "bad hex digits": (b'"\\u12G4"\n', "invalid-json", 1, 6),
    "tab in a string": (b'"a\tb"\n', "invalid-json", 1, 3),
    "form feed": (b"1\n\x0c2\n", "invalid-json", 2, 1),
    "no-break space": (b"\xc2\xa01\n", "invalid-json", 1, 1),
    "byte order mark": (b"\xef\xbb\xbf1\n", "bom", 1, 1),
    "byte order mark later": (b"1\n\xef\xbb\xbf2\n", "invalid-json", 2, 1),
    "UTF-16": ("{}\n".encode("utf-16"), "nul", 1, 4),
    "UTF-16 without a mark": ("1\n2\n".encode("utf-16-le"), "nul", 1, 2),
    "NUL": (b'1\n{"a":"\x00"}\n', "nul", 2, 7),
    "NUL after a crash": (b"1\n" + bytes(512), "nul", 2, 1),
    "NUL between lines": (b"1\n\x00\n2\n", "nul", 2, 1),
    "Latin-1": (b'1\n{"name":"J\xf6rg"}\n', "not-utf8", 2, 11),
    "overlong": (b'"\xc0\x80"\n', "not-utf8", 1, 2),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"\n', "not-utf8", 1, 2),
    "beyond Unicode": (b'"\xf4\x90\x80\x80"\n', "not-utf8", 1, 2),
    "not UTF-8 in a name": (b'{"\xff":1}\n', "not-utf8", 1, 3),
    "half a pair": (b'"\\u00e9"\n["\\ud83d"]\n', "lone-surrogate", 2, 3),
    "half a pair and a character": (b'["\\uD83D\\u0041"]\n', "lone-surrogate", 1, 3),
    "second half first": (b'"\\ude00\\ud83d"\n', "lone-surrogate", 1, 2),
    "half a pair after backslashes": (b'"\\\\ud83d\\\\\\ud83d"\n', "lone-surrogate", 1, 11),
    "too deep": (b"1\n" + DEEP + b"\n", "too-deep", 2, 1),
    "column in characters": ('{"ä€😀":x}\n'.encode(), "invalid-json", 1, 8),
    "the first of two": (b"1\nx\ny\n", "invalid-json", 2, 1),
    "after blank lines": (b"\n\r\n\n\n1\n\nx\n", "invalid-json", 7, 1),
    "after CRLF": (b"1\r\n2\r\nx\r\n", "invalid-json", 3, 1),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_lines_are_refused_at_their_place(name: str, refused: Refused) -> None:
    content, code, line, column = MALFORMED[name]
    error = refused(content, "jsonl")
    assert (error.code, error.line, error.column) == (f"audit-file-{code}", line, column)
    assert f"audit.jsonl:{line}:{column}: " in error.message


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":1}',
        b' {"a" : 1}\t',
        b"0",
        b"-0",
        b"-0.0e-0",
        b"1E+2",
        b"1e999",
        b"1" * 5000,
        b'""',
        b'"\x7f"',
        b'"\\/\\b\\f\\u0000\\uD83D\\uDE00\\\\ud83d"',
        '"é😀\u2028"'.encode(),
        b'{"a":1,"a":2}',
        b"[" * 300 + b"]" * 300,
    ],
    ids=lambda line: repr(line[:20]),
)
def test_any_json_value_is_an_event_as_it_stands(line: bytes, read: Read) -> None:
    audit = read(b"1\n" + line + b"\n2", "jsonl")
    assert audit.event_count == 3
    assert audit.merkle_root == tree_hash([b"1", line, b"2"])


def test_digest_size_and_count(read: Read) -> None:
    content = b'{"a":1}\r\n\n\r\n{"b":2}\n3'
    audit = read(content, "jsonl")
    assert audit.sha256 == sha256(content).digest()
    assert (audit.size, audit.event_count) == (len(content), 3)
    assert audit.merkle_root == tree_hash([b'{"a":1}', b'{"b":2}', b"3"])
    assert audit.decisions is None


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n", b"\n\r", b"\n\n\r\n"])
def test_the_last_line_needs_no_line_break(end: bytes, read: Read) -> None:
    audit = read(b"1\n2" + end, "jsonl")
    assert audit.merkle_root == tree_hash([b"1", b"2"])


@pytest.mark.parametrize("content", [b"\n", b"\r\n\n", b"\r"])
def test_blank_lines_alone_are_no_events(content: bytes, read: Read) -> None:
    audit = read(content, "jsonl")
    assert (audit.event_count, audit.merkle_root) == (0, sha256().digest())


def test_content_never_gets_into_the_message(refused: Refused) -> None:
    secret = "::set-output name=x::hunter2"
    for content in (f'{{"{secret}" 1}}\n', f"{secret}\n", f'"{secret}', f'{{"{secret}":\\ud800}}'):
        error = refused(content.encode(), "jsonl")
        assert "hunter" not in error.message + error.fix


def test_an_event_larger_than_many_chunks(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signer.audit.reader.CHUNK_BYTES", 7)
    events = [json.dumps(["x" * n]).encode() for n in (0, 1000, 3, 50, 0)]
    audit = read(b"\n".join(events), "jsonl")
    assert audit.merkle_root == tree_hash(events)
    assert line_events(b"\n".join(events)) == events
