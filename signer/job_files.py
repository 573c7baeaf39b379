"""What both jobs need: the audit files that are there, and the form of a result."""

import os
import re
from pathlib import Path

from signer.audit.find import OWN_SUFFIXES, find_audit_files
from signer.errors import AuditFileError
from signer.log import Log
from signer.settings.models import Settings

_CONTROL = re.compile("[\x00-\x1f\x7f]")

# What the outputs say of one file, under the outputs' names.
Result = dict[str, str | int | bool]


def find_files(lines: tuple[str, ...], settings: Settings, log: Log) -> list[Path]:
    """The audit files that lines name.

    Args:
        lines: paths and globs.
        settings: what to do where a line matches nothing.
        log: where that is said.

    Raises:
        AuditFileError: ``audit-file-not-found``, ``audit-file-is-result``, ``audit-file-name`` or
            ``audit-file-not-regular``.
    """
    found = find_audit_files(lines)
    nothing_left = () if found.files or found.unmatched else (" ".join(settings.audit_file),)
    for line in found.unmatched or nothing_left:
        if line.endswith(OWN_SUFFIXES) and os.path.lexists(line):
            raise AuditFileError(
                "audit-file-is-result",
                f"it is named like a result of the signer ({', '.join(OWN_SUFFIXES)})",
                fix="name the audit file itself; a signed audit goes to bundle (--bundle).",
                path=line,
            )
        if settings.if_no_files_found == "error":
            raise AuditFileError(
                "audit-file-not-found",
                "no such file, or nothing matches",
                fix="check the path (relative to the workspace), or set if-no-files-found.",
                path=line,
            )
        if settings.if_no_files_found == "warn":
            log.warning("policy audit: no file", f"audit-file: nothing matches {line}")
    for path in found.files:
        if _CONTROL.search(str(path)):
            raise AuditFileError(
                "audit-file-name",
                "its path has a control character, which no log and no list of files can show",
                fix="rename it.",
                path=repr(str(path)),
            )
        if os.path.isdir(path):  # what results would be called is not even known of `.`
            raise AuditFileError(
                "audit-file-not-regular",
                "this is a directory",
                fix="name a file, or a glob such as FOLDER/*.jsonl.",
                path=str(path),
            )
    return list(found.files)
