"""The formats of an audit file: never guessed from content, only said or told by the suffix."""

from enum import StrEnum
from pathlib import Path


class AuditFormat(StrEnum):
    """What an audit file is made of; the value is what the statement records."""

    JSONL = "jsonl"
    JSON = "json"
    SARIF = "sarif"
    BYTES = "bytes"


_BY_SUFFIX = {
    ".jsonl": AuditFormat.JSONL,
    ".ndjson": AuditFormat.JSONL,
    ".json": AuditFormat.JSON,
    ".sarif": AuditFormat.SARIF,
}


def format_for(path: Path) -> AuditFormat:
    """The default format for a path, by its last suffix in any case; else ``bytes``."""
    return _BY_SUFFIX.get(path.suffix.lower(), AuditFormat.BYTES)
