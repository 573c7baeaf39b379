"""Audit files that are named, and are not taken."""

from pathlib import Path

import pytest

from signer.errors import AuditFileError
from signer.job_files import find_files
from signer.settings.models import SignSettings
from tests.unit.support import RecordedLog


@pytest.mark.parametrize("name", ["a.jsonl.sigstore.json", "a.jsonl.pub", "a.jsonl.sig"])
def test_a_result_named_as_the_audit_file_is_told_as_such(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).touch()
    settings = SignSettings(audit_file=(name,))
    with pytest.raises(AuditFileError) as refusal:
        find_files(settings.audit_file, settings, RecordedLog())
    assert refusal.value.code == "audit-file-is-result"
    assert "--bundle" in refusal.value.fix
