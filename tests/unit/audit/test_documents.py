import json
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.audit.documents import document_events
from signer.audit.formats import AuditFormat
from signer.errors import AuditFileError
from tests.unit.audit.conftest import Read
from tests.unit.audit.reference import tree_hash

Refused = Callable[..., AuditFileError]

# name: content, pointer, events
JSON: dict[str, tuple[bytes, str | None, list[bytes]]] = {
    "array": (
        b' [ {"a" : 1} ,2,\n"\\u0041" , [ ] ]\n',
        None,
        [b'{"a" : 1}', b"2", b'"\\u0041"', b"[ ]"],
    ),
    "empty array": (b"[]", None, []),
    "object": (b'\n{"a": [1]} \n', None, [b'\n{"a": [1]} \n']),
    "single value": (b"1", None, [b"1"]),
    "member": (b'{"a": 1, "results": [1, 2]}', "/results", [b"1", b"2"]),
    "whole document": (b"[1, 2]", "", [b"1", b"2"]),
    "inside an array": (b'[0, {"x": [5]}]', "/1/x", [b"5"]),
    "escapes": (b'{"a/b": {"m~n": [7]}}', "/a~1b/m~0n", [b"7"]),
    "escaped tilde before one": (b'{"~1": [7]}', "/~01", [b"7"]),
    "empty name": (b'{"": {"": [7]}}', "//", [b"7"]),
    "name written with escapes": (b'{"\\u0061": [7]}', "/a", [b"7"]),
    "name outside ASCII": ('{"\u00e9": [7]}'.encode(), "/\u00e9", [b"7"]),
    "number as a name": (b'{"01": [7]}', "/01", [b"7"]),
    "same name elsewhere": (
        b'{"a": {"a": [{"a": 1}, {"a": 2}]}}',
        "/a/a",
        [b'{"a": 1}', b'{"a": 2}'],
    ),
}


@pytest.mark.parametrize("name", JSON)
def test_the_events_of_a_document(name: str, read: Read) -> None:
    content, pointer, events = JSON[name]
    audit = read(content, "json", event_pointer=pointer)
    assert (audit.event_count, audit.event_pointer) == (len(events), pointer)
    assert audit.merkle_root == tree_hash(events)
    assert audit.sha256 == sha256(content).digest()


@pytest.mark.parametrize(
    ("content", "pointer", "reason"),
    [
        (b'{"a": [1]}', "/b", "no member 'b'"),
        (b'{"a": {"b": 1}}', "/a", "leads to an object"),
        (b'{"a": 1}', "/a", "leads to a single value"),
        (b'{"a": 1}', "", "leads to an object"),
        (b'{"a": null}', "/a", "leads to a single value"),
        (b'{"a": 1}', "/a/b", "inside a single value"),
        (b"[[1]]", "/1", "no element '1' in an array of 1"),
        (b"[[1]]", "/00", "no element '00'"),
        (b"[[1]]", "/-", "no element '-'"),
        (b"[[1]]", "/-1", "no element '-1'"),
        (b"[[1]]", "/+0", "no element"),
        (b"[[1]]", "/\u0660", "no element"),
        (b"[[1]]", "/" + "9" * 5000, "no element"),
        (b'{"a": [1]}', "a", "starts with '/'"),
        (b'{"a": [1]}', "#/a", "starts with '/'"),
        (b'{"a~": [1]}', "/a~", "'~' must be written"),
        (b'{"a~2": [1]}', "/a~2", "'~' must be written"),
    ],
)
def test_a_pointer_to_no_array_is_refused(
    content: bytes, pointer: str, reason: str, refused: Refused
) -> None:
    error = refused(content, "json", event_pointer=pointer)
    assert error.code == "audit-file-event-pointer"
    assert reason in error.message


@pytest.mark.parametrize("audit_format", ["jsonl", "sarif", "bytes"])
def test_a_pointer_is_for_json_only(audit_format: str, read: Read) -> None:
    with pytest.raises(ValueError, match="an event pointer is for json"):
        read(b"1", audit_format, event_pointer="/a")


SARIF: dict[str, tuple[bytes, list[bytes]]] = {
    "two runs": (
        b'{"runs": [{"results": [{"a": 1}, 2]}, {"results": [ 3 ]}]}',
        [b'{"a": 1}', b"2", b"3"],
    ),
    "no results": (b'{"runs": [{}, {"results": null}, {"results": []}]}', []),
    "no runs": (b'{"runs": []}', []),
}


@pytest.mark.parametrize("name", SARIF)
def test_the_results_of_sarif(name: str, read: Read) -> None:
    content, events = SARIF[name]
    assert read(content, "sarif").merkle_root == tree_hash(events)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"1",
        b"{}",
        b'{"runs": null}',
        b'{"runs": {}}',
        b'{"runs": [1]}',
        b'{"runs": [{"results": 1}]}',
    ],
)
def test_what_is_not_sarif_is_refused(content: bytes, refused: Refused) -> None:
    assert refused(content, "sarif").code == "audit-file-not-sarif"


@pytest.mark.parametrize("audit_format", ["json", "sarif"])
@pytest.mark.parametrize(
    ("content", "code", "line", "column"),
    [
        (b'{"runs": [],\n "runs": []}', "duplicate-name", 2, 2),
        (b'{"runs": [], "\\u0072uns": []}', "duplicate-name", 1, 14),
        (b'{"runs": [{"a": ":", "b": {"a": 1}, "a": 2}]}', "duplicate-name", 1, 37),
        ('{"runs": [], "\u00e9": 1, "\u00e9": 2}'.encode(), "duplicate-name", 1, 22),
        (b'{"runs": [\n', "truncated", 2, 1),
        (b'{"runs": []}\n}', "invalid-json", 2, 1),
        (b'{"runs": []}\n{"runs": []}', "invalid-json", 2, 1),
        (b'{"runs":\n [],}', "invalid-json", 2, 5),
        (b'\xef\xbb\xbf{"runs": []}', "bom", 1, 1),
        (b'{"runs":\n "\x00"}', "nul", 2, 3),
        (b'{"runs":\n "\xe9"}', "not-utf8", 2, 3),
        (b'{"runs":\n "\\udead"}', "lone-surrogate", 2, 3),
        (b" \n ", "invalid-json", 2, 2),
        (b"[" * 100_000 + b"]" * 100_000, "too-deep", 1, 1),
    ],
)
def test_malformed_documents_are_refused_at_their_place(
    content: bytes, code: str, line: int, column: int, audit_format: str, refused: Refused
) -> None:
    error = refused(content, audit_format)
    assert (error.code, error.line, error.column) == (f"audit-file-{code}", line, column)


space = st.text(" \n\t\r", max_size=3)
value = st.recursive(
    st.none() | st.integers() | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=5,
).map(lambda it: json.dumps(it, ensure_ascii=False))


@given(st.lists(st.tuples(space, value, space)), space, st.booleans())
def test_events_are_the_exact_bytes(
    parts: list[tuple[str, str, str]], around: str, nested: bool
) -> None:
    array = around + "[" + (",".join(map("".join, parts)) or " ") + "]" + around
    text = f'{{"x":{array}}}' if nested else array
    found = document_events(
        text.encode(), AuditFormat.JSON, "/x" if nested else None, path="a.json"
    )
    assert [bytes(event) for event in found] == [part[1].encode() for part in parts]
