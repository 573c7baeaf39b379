"""JSON and SARIF documents: which of their bytes are events.

An event is a value's exact source bytes; nothing is parsed further or written anew.
"""

import json
import re
from typing import Any, Literal

import msgspec
from msgspec import Raw

from signer.audit.formats import AuditFormat
from signer.audit.syntax import refusal, too_deep
from signer.errors import AuditFileError

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:]', re.DOTALL)
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")


class _Run(msgspec.Struct):
    results: list[Raw] | None = None


class _SarifLog(msgspec.Struct):
    runs: list[_Run]


def document_events(
    text: bytes, audit_format: AuditFormat, pointer: str | None, *, path: str
) -> list[bytes | Raw]:
    """The events of a whole document, in file order.

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
    _refuse_duplicates(text, path)
    if audit_format is AuditFormat.SARIF:
        return _sarif_results(text, path)
    if pointer is not None:
        return [*_at_pointer(text, pointer, path)]
    if text.lstrip()[:1] == b"[":
        return [*_elements(text)]
    return [text]


def _elements(array: bytes | Raw) -> list[Raw]:
    return msgspec.json.decode(array, type=list[Raw])


def _sarif_results(text: bytes, path: str) -> list[bytes | Raw]:
    try:
        log = msgspec.json.decode(text, type=_SarifLog)
    except msgspec.ValidationError as error:
        raise AuditFileError(
            "audit-file-not-sarif",
            f"this is JSON, but not SARIF: {error}",
            fix="check the step that writes it, or set audit-format: json.",
            path=path,
        ) from None
    return [result for run in log.runs for result in run.results or ()]


def _at_pointer(text: bytes, pointer: str, path: str) -> list[Raw]:
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
            elements = _elements(value)
            if not _INDEX.fullmatch(name) or int(name) >= len(elements):
                raise refuse(f"there is no element {name!r} in an array of {len(elements)}")
            value = elements[int(name)]
        else:
            raise refuse(f"{name!r} would be inside {kind}")
    if _kind(value) != "an array":
        raise refuse(f"it leads to {_kind(value)}")
    return _elements(value)


def _kind(value: bytes | Raw) -> Literal["an object", "an array", "a single value"]:
    match bytes(memoryview(value)[:1]):
        case b"{":
            return "an object"
        case b"[":
            return "an array"
        case _:
            return "a single value"


def _refuse_duplicates(text: bytes, path: str) -> None:
    """Refuse a member name that stands twice: readers differ on which of the two they take."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise KeyError

    try:
        # What the hooks return is all that is kept, so that no copy of the document is built.
        json.loads(text, object_pairs_hook=unique, parse_int=len, parse_float=len)
    except RecursionError:
        raise too_deep(path, 1) from None
    except KeyError:
        line, column = _second_name(text)
        raise AuditFileError(
            "audit-file-duplicate-name",
            "this member name is already in the same object, and readers differ on which counts",
            fix="mend the step that writes it; each name may stand once in an object.",
            path=path,
            line=line,
            column=column,
        ) from None


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
