import json
from collections.abc import Callable
from pathlib import Path

import pytest

from signer.audit import reader
from signer.audit.formats import AuditFormat
from signer.audit.reader import AuditFile
from signer.errors import AuditFileError

Read = Callable[..., AuditFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes content to a file and reads it as an audit file."""

    def write_and_read(content: bytes, audit_format: str, **options: object) -> AuditFile:
        path = tmp_path / f"audit.{audit_format}"
        path.write_bytes(content)
        return reader.read_audit_file(path, format=AuditFormat(audit_format), **options)  # type: ignore[arg-type]

    return write_and_read


@pytest.fixture
def refused(read: Read) -> Callable[..., AuditFileError]:
    """Reads content that must be refused, and returns the refusal."""

    def read_refused(content: bytes, audit_format: str, **options: object) -> AuditFileError:
        with pytest.raises(AuditFileError) as caught:
            read(content, audit_format, **options)
        assert caught.value.fix
        return caught.value

    return read_refused


@pytest.fixture
def lines_of_json() -> bytes:
    """Twenty thousand small events, a megabyte or so."""
    return b"".join(
        json.dumps({"event": n, "pad": "x" * 30}).encode() + b"\n" for n in range(20_000)
    )
