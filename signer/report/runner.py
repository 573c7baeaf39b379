"""What a job leaves on the runner: step outputs and the step summary.

Outside a runner there are no such files, and nothing is written.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signer.errors import SignerError
from signer.github.outputs import write_outputs, write_summary
from signer.github.summary import cell, code, document, table
from signer.report.identities import checked_identities, signed_identities

if TYPE_CHECKING:  # one of the two jobs is never loaded
    from signer.sign.job import Signed
    from signer.verify.job import Checked

_ASSURANCE = {
    "digest": "integrity only: anybody could have made this record",
    "shared-secret": "made by somebody who has the secret, as everybody who can verify it does",
    "software-key": "made with a key that is a file, which can be copied: a simulation of a KMS",
    "managed-key": "made with a key that nobody can copy",
}


def write_signed(signed: "Signed", environ: Mapping[str, str], *, show_summary: bool) -> None:
    """Outputs and summary of a signing job.

    Raises:
        OutputError: the runner's file could not be written.
    """
    _outputs(flat(signed.fields()), environ)
    if show_summary:
        _summary(signed_summary(signed), environ)


def write_skipped(environ: Mapping[str, str], *, unauthorized: bool = False) -> None:
    """Outputs of a job that was allowed to sign nothing: no file, or not authorized."""
    skipped = {"skipped": "true"} if unauthorized else {}
    _outputs({"results": "[]", "files": "", **skipped}, environ)


def write_checked(checked: "Checked", environ: Mapping[str, str], *, show_summary: bool) -> None:
    """Outputs and summary of a verifying job.

    Raises:
        OutputError: the runner's file could not be written.
    """
    _outputs(flat(checked.fields()), environ)
    if show_summary:
        _summary(checked_summary(checked), environ)


def write_refused(error: Exception, environ: Mapping[str, str]) -> None:
    """Outputs of a verifying job that could not begin, or ended by an unforeseen error.

    Raises:
        OutputError: the runner's file could not be written.
    """
    code, message = (
        (error.code, error.message)
        if isinstance(error, SignerError)
        else ("internal", f"an error in the signer itself: {type(error).__name__}")
    )
    _outputs({"verified": "false", "reason": code, "message": message}, environ)


def signed_summary(signed: "Signed") -> str:
    """The summary of a signing job, as HTML in Markdown."""
    provider, first = signed.provider, signed.results[0]
    rows = []
    for one, result in zip(signed.audits, signed.results, strict=True):
        decisions = one.audit.decisions
        counts = (
            f"{cell(decisions.tool)}: "
            + ", ".join(f"{cell(count)} {cell(label)}" for label, count in decisions.counts.items())
            if decisions
            else "not a known tool's"
        )
        rows.append(
            (
                code(one.subject),
                cell(one.audit.event_count),
                counts,
                code(result["audit-digest"]),
                code(result["signed-audit-file"]),
            )
        )
    simulation = " (a simulation)" if provider.name == "kms" else ""
    key = [
        ("Provider", code(provider.name) + simulation),
        ("Assurance", f"{code(provider.assurance)}: {cell(_ASSURANCE[provider.assurance])}"),
        ("Algorithm", code(provider.algorithm)),
        ("Key", code(provider.key_id)),
    ]
    if "key-fingerprint" in first:
        key.append(("Fingerprint", code(first["key-fingerprint"])))
    if "key-created" in first:
        key.append(("Key made", code(first["key-created"])))
    if signed.key_age:
        key.append(("<b>Key age</b>", cell(signed.key_age)))
    return document(
        "Policy audit signed",
        table(("Audit file", "Events", "Decisions", "Digest", "Signed audit"), rows),
        table(("Signed with", ""), key),
        signed_identities(signed.audits),
    )


def checked_summary(checked: "Checked") -> str:
    """The summary of a verifying job, as HTML in Markdown."""
    rows = [
        (
            "verified" if result["verified"] else f"<b>NOT VERIFIED</b>: {code(result['reason'])}",
            code(result["audit-file"]),
            cell(result["message"]),
            code(result["assurance"]) if "assurance" in result else "",
            _key(result),
        )
        for result in checked.results
    ]
    trusted = checked.results and not checked.error
    title = "Policy audit verified" if trusted else "Policy audit NOT verified"
    return document(
        title,
        table(("Result", "Audit file", "", "Assurance", "Key"), rows),
        checked_identities(checked.verified),
    )


def _key(result: Mapping[str, Any]) -> str:
    """The key of a verified file: its fingerprint, and its name where trusted keys have one."""
    fingerprint = code(result["key-fingerprint"]) if "key-fingerprint" in result else ""
    return (
        f"{code(result['trusted-key'])} {fingerprint}" if "trusted-key" in result else fingerprint
    )


def flat(fields: Mapping[str, Any]) -> dict[str, str]:
    """Outputs as the runner takes them: text only; ``files`` a line each, ``results`` JSON."""
    outputs = {}
    for name, value in fields.items():
        if name == "files":
            outputs[name] = "\n".join(value)
        elif isinstance(value, str):
            outputs[name] = value
        else:
            outputs[name] = json.dumps(value, separators=(",", ":"))
    return outputs


def _outputs(outputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    if path := environ.get("GITHUB_OUTPUT"):
        write_outputs(Path(path), outputs)


def _summary(markdown: str, environ: Mapping[str, str]) -> None:
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        write_summary(Path(path), markdown)
