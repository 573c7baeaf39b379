"""The audit files that are there, and the results that could be written beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from signer.audit.find import find_audit_files
from signer.audit.source import Source
from signer.doctor.check import Check, fail, ok, skip, warn
from signer.doctor.runner import can_make
from signer.errors import OutputError, SignerError
from signer.github.paths import JobPaths
from signer.job_files import find_files
from signer.log import Log
from signer.settings.models import DoctorSettings
from signer.sign.signing import formats_of, output_folder, plan_targets

_FIRST_BYTES = 4096
_SHOWN = 3


def audit_files(settings: DoctorSettings, log: Log) -> tuple[dict[Path, int], Check]:
    """The audit files with their sizes in bytes, and the check ``audit-files``.

    No more than their first bytes are read: to read them whole is signing's work.

    Args:
        settings: which they are.
        log: what signing would warn with; here nothing is said but in the table.
    """
    if not settings.audit_file:
        return {}, skip("audit-files", "no audit-file is named")
    loud = settings.if_no_files_found == "error"
    # What "warn" would say is said in the table.
    quiet = settings if loud else settings.model_copy(update={"if_no_files_found": "ignore"})
    sizes = {}
    try:
        for path in find_files(settings.audit_file, quiet, log):
            with Source(path) as source:
                next(source.chunks(_FIRST_BYTES))
                sizes[path] = source.expected_size
        formats_of(list(sizes), settings)
    except SignerError as error:
        return {}, fail("audit-files", error)
    found = _told(sizes)
    unmatched = find_audit_files(settings.audit_file).unmatched
    if unmatched and settings.if_no_files_found == "warn":
        return sizes, warn(
            "audit-files",
            f"{found}; nothing matches {', '.join(unmatched)}",
            fix="check the paths (relative to the workspace).",
        )
    return sizes, ok("audit-files", found)


def outputs(
    files: Sequence[Path], settings: DoctorSettings, paths: JobPaths, *, public_key: bool
) -> Check:
    """The check ``outputs``: whether results could be written, and whether some are in the way.

    Args:
        files: the audit files.
        settings: where results go.
        paths: the job's folders.
        public_key: whether the key has one, which is written too.
    """
    if not files and settings.output_directory is None:
        return skip("outputs", "results go beside the audit file, and there is none")
    places = [output_folder(path, settings) / path.name for path in files]
    if settings.output_directory is not None:
        places.append(settings.output_directory / "audit")
    try:
        for place in places:
            paths.check_output(place)
            _check_folder(place.parent)
        plan_targets(files, settings, public_key=public_key)
    except SignerError as error:
        return fail("outputs", error)
    folders = sorted({str(place.parent) for place in places})
    return ok("outputs", f"can be written to {', '.join(folders)}")


def _check_folder(folder: Path) -> None:
    if not can_make(folder):
        raise OutputError(
            "output-failed",
            f"files cannot be made in {folder}",
            fix="give this user the right to write there, or set output-directory.",
        )


def _told(sizes: Mapping[Path, int]) -> str:
    if not sizes:
        return "there is none, which if-no-files-found allows"
    told = [f"{path} ({size} bytes)" for path, size in list(sizes.items())[:_SHOWN]]
    more = [f"and {len(sizes) - _SHOWN} more"] if len(sizes) > _SHOWN else []
    return ", ".join([*told, *more])
