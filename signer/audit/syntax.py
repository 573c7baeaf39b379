"""JSON as RFC 8259 has it, strictly: what is wrong with a text, and where.

msgspec's ``Raw`` checks a value in C while it finds its end. It differs from the RFC twice: it
takes any bytes over 0x7F inside a string, so that UTF-8 is checked beside it, and it refuses an
escape that is half of a surrogate pair, about which readers differ (RFC 8259, section 8.2).
"""

import json
import re

import msgspec

from signer.errors import AuditFileError

_BOM = b"\xef\xbb\xbf"
_OFFSET = re.compile(r"(?:JSON is malformed: )?(.*) \(byte (\d+)\)")
# For these reasons msgspec names the byte after the wrong one.
_ONE_TOO_FAR = ("trailing characters", "invalid character in unicode escape")
# Each escape in turn: a whole pair, half of one (the group), or another.
_ESCAPES = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)

# What lies between brackets, strings above all, and then some brackets (the group).
_BRACKETS = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+([{}\[\]]*+)', re.DOTALL)

# How deeply a value may be nested. The interpreters that may verify a file differ, from some
# 980 levels to more than 9,900; what one of them signs, each of them must be able to read.
MAX_DEPTH = 512

# Checks one JSON value, given whole, but for its UTF-8 and its depth.
check_value = msgspec.json.Decoder(msgspec.Raw).decode


def check(text: bytes) -> None:
    """Accept exactly one JSON value, with white space around it.

    Raises:
        ValueError: it is something else (msgspec's and Unicode's errors are ValueErrors).
        RecursionError: it is nested more than `MAX_DEPTH` levels deep.
    """
    if not text.isascii():
        text.decode()
    check_value(text)
    check_depth(text)


def check_depth(text: bytes) -> None:
    """Accept a JSON value that is nested at most `MAX_DEPTH` levels deep.

    Args:
        text: the value, which is known to be JSON.

    Raises:
        RecursionError: it is nested more deeply.
    """
    if len(text) <= 2 * MAX_DEPTH or text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        for bracket in found[1]:
            depth += 1 if bracket in b"[{" else -1
            if depth > MAX_DEPTH:
                raise RecursionError


def refusal(text: bytes, *, path: str, line: int, at_end: bool) -> AuditFileError | None:
    """What is wrong with a JSON text; None if nothing is.

    Args:
        text: one value, whole, with any line breaks that are in it.
        path: the file, for the message.
        line: the 1-based line that the text starts on.
        at_end: whether the file ends with it, so that it may have been cut off.
    """

    def refuse(code: str, message: str, offset: int, fix: str) -> AuditFileError:
        before = text[:offset]
        start = before.rfind(b"\n") + 1
        column = len(before[start:].decode(errors="replace")) + 1
        where = line + before.count(b"\n")
        return AuditFileError(code, message, fix=fix, path=path, line=where, column=column)

    if line == 1 and text.startswith(_BOM):
        return refuse(
            "audit-file-bom",
            "the file starts with a byte order mark",
            0,
            "write it as UTF-8 without a byte order mark.",
        )
    if (offset := text.find(0)) >= 0:
        return refuse(
            "audit-file-nul",
            "a NUL byte, which JSON text cannot hold",
            offset,
            "write it as UTF-8; NUL bytes are the mark of UTF-16, or of a crash while writing.",
        )
    try:
        check(text)
    except UnicodeDecodeError as error:
        start = text.rfind(b"\n", 0, error.start) + 1
        return AuditFileError(
            "audit-file-not-utf8",
            f"byte 0x{text[error.start]:02x} is not UTF-8 here",
            fix="write the file as UTF-8.",
            path=path,
            line=line + text.count(b"\n", 0, error.start),
            column=error.start - start + 1,
        )
    except RecursionError:
        return too_deep(path, line)
    except ValueError as error:
        if (half := _half_pair(text)) is not None:
            return refuse(
                "audit-file-lone-surrogate",
                "an escape is half of a surrogate pair, which stands for no character",
                half,
                "write the character whole; it was cut in two.",
            )
        reason, offset = _reason(error, text)
        if offset < len(text):
            fix = "check the step that writes it, and audit-format."
            return refuse("audit-file-invalid-json", f"invalid JSON: {reason}", offset, fix)
        if at_end and text.strip():
            return refuse(
                "audit-file-truncated",
                "the file ends in the middle of a JSON value",
                offset,
                "check that the step that writes it ran to its end.",
            )
        return refuse(
            "audit-file-invalid-json",
            "invalid JSON: the value ends too early" if text.strip() else "no JSON value here",
            offset,
            "write each event on one line of its own, and nothing else.",
        )
    return None


def too_deep(path: str, line: int) -> AuditFileError:
    """The refusal of a value that is nested more than `MAX_DEPTH` levels deep."""
    return AuditFileError(
        "audit-file-too-deep",
        "the value is nested too deeply",
        fix=f"flatten it; a value may be nested {MAX_DEPTH} levels deep.",
        path=path,
        line=line,
        column=1,
    )


def _reason(error: ValueError, text: bytes) -> tuple[str, int]:
    """The reason and the offset of msgspec's error; the end of the text where it is cut off."""
    found = _OFFSET.fullmatch(str(error))
    if not found:
        return "", len(text)
    return found[1], int(found[2]) - (found[1] in _ONE_TOO_FAR)


def _half_pair(text: bytes) -> int | None:
    """The offset of the first half of a surrogate pair, if that is all that is wrong."""
    halves = (found.start() for found in _ESCAPES.finditer(text) if found[1])
    half = next(halves, None)
    if half is None:
        return None
    try:
        # Python's own reader takes such an escape. What the hooks return is all that it keeps.
        json.loads(text, object_pairs_hook=_nothing, parse_int=_nothing, parse_float=_nothing)
    except (ValueError, RecursionError):
        return None
    return half


def _nothing(_: object) -> None:
    """Keep nothing of a value."""
