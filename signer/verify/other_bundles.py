"""Bundles that are no signed audits, for ``--type any``: attestations and message signatures."""

from pathlib import Path
from typing import Any

from signer.assurance import Assurance
from signer.crypto.verifier import Verifier
from signer.envelope.bundle import MessageSignature
from signer.errors import UsageError, VerificationError
from signer.verify.verdict import (
    FORGED,
    Demands,
    Progress,
    Verified,
    check_signature,
    compare_digest,
    digest_of,
    malformed,
)

_STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")


def verify_attestation(
    fields: dict[str, Any],
    audit: Path | bytes,
    demands: Demands,
    progress: Progress | None,
) -> Verified:
    """Compare a verified in-toto statement of any predicate type with the file.

    Args:
        fields: the statement, whose signature was checked.
        audit: the file, or its SHA-256.
        demands: what else must hold; such a statement knows of no run, age or assurance.
        progress: called with the bytes read so far.

    Raises:
        VerificationError: not verified.
        AuditFileError: the file cannot be read.
    """
    _refuse_run_demands(demands, "attestation")
    if fields.get("_type") not in _STATEMENT_TYPES:
        raise malformed(f"_type is {str(fields.get('_type'))[:80]!r}")
    subjects = fields.get("subject")
    digests = []
    for subject in subjects if isinstance(subjects, list) else []:
        digest = subject.get("digest") if isinstance(subject, dict) else None
        text = digest.get("sha256") if isinstance(digest, dict) else None
        if isinstance(text, str):
            digests.append(text.lower())
    expected = [bytes.fromhex(text) for text in digests if _is_sha256(text)]
    actual = audit if isinstance(audit, bytes) else digest_of(audit, progress=progress)
    compare_digest(actual, expected)
    return Verified("attestation", actual, None, isinstance(audit, Path))


def verify_message(
    message: MessageSignature,
    hint: str | None,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands,
    progress: Progress | None,
) -> Verified:
    """Check a signature over a file's own bytes.

    Args:
        message: the signature, foreign.
        hint: the bundle's hint at its key.
        audit: the file, or its SHA-256.
        verifier: what is trusted.
        demands: what else must hold; such a signature knows of no run, age or assurance.
        progress: called with the bytes read so far.

    Raises:
        VerificationError: not verified.
        UsageError: ``file-needed``.
        AuditFileError: the file cannot be read.
    """
    _refuse_run_demands(demands, "message signature")
    if isinstance(audit, bytes):
        if not verifier.algorithm.endswith("_SHA_256") or verifier.public_key is None:
            raise UsageError(
                "file-needed",
                f"a message signature by {verifier.algorithm} cannot be checked against a digest",
                fix="give the file itself.",
            )
        sha256, digest = audit, audit
    else:
        hasher = verifier.hasher()
        sha256, digest = digest_of(audit, hasher, progress), hasher.digest()
    if message.sha256 != sha256:
        raise VerificationError(
            "altered-file",
            f"the file's SHA-256 is {sha256.hex()}, and the bundle is for {message.sha256.hex()}",
            fix=FORGED,
        )
    check_signature(verifier, message.signature, digest, (None, hint))
    return Verified("message-signature", sha256, None, isinstance(audit, Path))


def _refuse_run_demands(demands: Demands, kind: str) -> None:
    asked = any(wanted != "*" for wanted in (demands.expect or {}).values())
    if asked or demands.max_age is not None or demands.minimum_assurance is not Assurance.DIGEST:
        raise VerificationError(
            "unexpected-run",
            f"a run, an age or an assurance is expected, and this {kind} states none",
            fix="take expect, max-age and minimum-assurance out, or verify a signed audit.",
        )


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdef" for character in text)
