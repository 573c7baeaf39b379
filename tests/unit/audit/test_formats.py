from pathlib import Path

import pytest

from signer.audit.formats import AuditFormat, format_for


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", AuditFormat.JSONL),
        ("a.ndjson", AuditFormat.JSONL),
        ("a.json", AuditFormat.JSON),
        ("a.sarif", AuditFormat.SARIF),
        ("A.JSONL", AuditFormat.JSONL),
        ("a.sarif.json", AuditFormat.JSON),
        ("a.jsonl.gz", AuditFormat.BYTES),
        ("a.log", AuditFormat.BYTES),
        ("jsonl", AuditFormat.BYTES),
        (".json", AuditFormat.BYTES),
    ],
)
def test_the_suffix_tells_the_format(name: str, expected: AuditFormat) -> None:
    assert format_for(Path("folder.json") / name) is expected
