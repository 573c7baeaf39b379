"""JSON and SARIF documents: which of their bytes are events.

An event is a value's exact source bytes; nothing is parsed further or written anew.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Raw

from signer.audit.formats import AuditFormat
from signer.audit.syntax import refusal
from signer.errors import AuditFileError

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]:]', re.DOTALL)
_FIRST = re.compile(rb"[ \t\n\r]*+\[")
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


class _Run(msgspec.Struct):
    results: Raw = Raw(b"null")


class _SarifLog(msgspec.Struct):
    runs: list[_Run]


class _DuplicateNameError(Exception):
    """A member name stands twice in an object."""


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _DuplicateNameError


def _nothing(_: str) -> None:
    """Keep nothing of a number."""


# Finds where a value ends, and names that stand twice: readers differ on which of the two they
# take. What the hooks return is all that is kept; as they are no C functions, a signal can be
# seen between two values.
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_nothing, parse_float=_nothing)


def document_events(
    text: bytes, audit_format: AuditFormat, pointer: str | None, *, path: str
) -> Iterator[bytes]:
    """The events of a whole document, in file order.

    They are found one at a time: a small one would take thirty times its size as an object.

    Args:
        text: the file's bytes.
        audit_format: ``json`` or ``sarif``.
        pointer: RFC 6901 JSON Pointer to the array of events; for ``json`` only.
        path: the file, for messages.

    Raises:
        AuditFileError: it is not JSON, a member name stands twice in an object, it is not SARIF,
            or there is no array at the pointer.
    """
    if error := refusal(text, path=path, line=1, at_end=True):
        raise error
    try:
        if audit_format is AuditFormat.JSON and pointer is None and _FIRST.match(text):
            yield from _elements(text)
            return
        _DECODER.decode(text.decode())
        if audit_format is AuditFormat.SARIF:
            yield from _sarif_results(text, path)
        elif pointer is not None:
            yield from _elements(_at_pointer(text, pointer, path))
        else:
            yield text
    except _DuplicateNameError:
        line, column = _second_name(text)
        raise AuditFileError(
            "audit-file-duplicate-name",
            "this member name is already in the same object, and readers differ on which counts",
            fix="mend the step that writes it; each name may stand once in an object.",
            path=path,
            line=line,
            column=column,
        ) from None


def _elements(array: bytes | Raw) -> Iterator[bytes]:
    """The elements of an array that is known to be JSON.

    Raises:
        _DuplicateNameError: a member name stands twice in an object.
    """
    text = str(array, "utf-8")
    at = text.index("[") + 1
    while True:
        while text[at] in " \t\n\r,":
            at += 1
        if text[at] == "]":
            return
        _, end = _DECODER.raw_decode(text, at)
        yield text[at:end].encode()
        at = end


def _sarif_results(text: bytes, path: str) -> Iterator[bytes]:
    def refuse(why: object) -> AuditFileError:
        return AuditFileError(
            "audit-file-not-sarif",
            f"this is JSON, but not SARIF: {why}",
            fix="check the step that writes it, or set audit-format: json.",
            path=path,
        )

    try:
        log = msgspec.json.decode(text, type=_SarifLog)
    except msgspec.ValidationError as error:
        raise refuse(error) from None
    for number, run in enumerate(log.runs):
        if bytes(memoryview(run.results)[:1]) == b"n":
            continue
        if _kind(run.results) != "an array":
            raise refuse(f"Expected `array` - at `$.runs[{number}].results`")
        yield from _elements(run.results)


def _at_pointer(text: bytes, pointer: str, path: str) -> bytes | Raw:
    def refuse(why: str) -> AuditFileError:
        return AuditFileError(
            "audit-file-event-pointer",
            f"there is no array of events at the pointer {pointer!r}: {why}",
            fix="set event-pointer to where the array is, such as /results (RFC 6901).",
            path=path,
        )

    if pointer and not pointer.startswith("/"):
        raise refuse("a pointer starts with '/'")
    value: bytes | Raw = text.lstrip()
    for token in pointer.split("/")[1:]:
        if re.search(r"~(?![01])", token):
            raise refuse("'~' must be written '~0', and '/' inside a name '~1'")
        name = token.replace("~1", "/").replace("~0", "~")
        kind = _kind(value)
        if kind == "an object":
            members = msgspec.json.decode(value, type=dict[str, Raw])
            if name not in members:
                raise refuse(f"there is no member {name!r}")
            value = members[name]
        elif kind == "an array":
            elements = msgspec.json.decode(value, type=list[Raw])
            if not _INDEX.fullmatch(name) or int(name) >= len(elements):
                raise refuse(f"there is no element {name!r} in an array of {len(elements)}")
            value = elements[int(name)]
        else:
            raise refuse(f"{name!r} would be inside {kind}")
    if _kind(value) != "an array":
        raise refuse(f"it leads to {_kind(value)}")
    return value


def _kind(value: bytes | Raw) -> Literal["an object", "an array", "a single value"]:
    match bytes(memoryview(value)[:1]):
        case b"{":
            return "an object"
        case b"[":
            return "an array"
        case _:
            return "a single value"


def _second_name(text: bytes) -> tuple[int, int]:
    """Line and column of the first member name that its object already has."""
    open_values: list[set[str]] = []
    string, start = b"", 0  # the last string, which is a name if a colon follows
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"{" | b"[":
                open_values.append(set())
            case b"}" | b"]":
                open_values.pop()
            case b":":
                name = json.loads(string)
                if name in open_values[-1]:
                    before = text[:start]
                    column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
                    return before.count(b"\n") + 1, column
                open_values[-1].add(name)
            case _:
                string, start = token[0], token.start()
    raise AssertionError("no name stands twice")
