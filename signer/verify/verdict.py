"""What verifying asks for and answers, and the two comparisons that every bundle needs."""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from signer.assurance import Assurance
from signer.audit.statement import Statement
from signer.crypto.hashers import Hasher
from signer.crypto.verifier import Verifier
from signer.errors import AuditFileError, VerificationError

FORGED = "get the signed audit and the audit file again from where they were signed."

Progress = Callable[[int], None]
Kind = Literal["signed-audit", "attestation", "message-signature"]


@dataclass(frozen=True, slots=True)
class Demands:
    """What must hold beyond the signature.

    Attributes:
        any_type: take other attestations and message signatures too.
        expect: run field (GitHub's claim name) to the value it must have; ``*`` is any.
        own_repository: the same, but for signed audits only: other bundles state no run.
        max_age: how old the statement may be.
        minimum_assurance: the weakest assurance that is accepted.
    """

    any_type: bool = False
    expect: Mapping[str, str] | None = None
    own_repository: Mapping[str, str] | None = None
    max_age: timedelta | None = None
    minimum_assurance: Assurance = Assurance.DIGEST


@dataclass(frozen=True, slots=True)
class Verified:
    """What was verified.

    Attributes:
        kind: what the bundle is; only ``signed-audit`` speaks of events and of a run.
        sha256: the audit file's digest, 32 bytes.
        statement: the verified statement of a signed audit.
        file_compared: whether the file itself was there, and not only its digest.
        identity_proved: whether the issuer's own token proves the run.
        allowed_by: the rule of the verifier's own signing policy; None where there is no policy.
        trusted_key: what the verifier's trusted keys call the key; None where there is no such
            file.
    """

    kind: Kind
    sha256: bytes
    statement: Statement | None
    file_compared: bool
    identity_proved: bool = False
    allowed_by: str | None = None
    trusted_key: str | None = None


def check_signature(
    verifier: Verifier, signature: bytes, digest: bytes, labels: tuple[str | None, str | None]
) -> None:
    """Check a signature with what is trusted.

    Args:
        verifier: what is trusted.
        signature: the bundle's.
        digest: what the verifier's hasher made of the message.
        labels: the bundle's keyid and hint: unsigned, they only help to say what went wrong.

    Raises:
        VerificationError: ``wrong-key`` or ``altered-statement``.
    """
    try:
        verifier.verify(signature, digest)
    except VerificationError:
        # keyid and hint are not signed: they tell a person where to look, and decide nothing.
        key = verifier.public_key
        known = (key.fingerprint, key.hint) if key else (getattr(verifier, "key_id", ""),)
        seen = next((label for label in labels if label), None)
        if seen is not None and not any(label in known for label in labels if label):
            raise VerificationError(
                "wrong-key",
                f"the signature is not by the trusted key ({known[0]}): it names {seen[:80]!r}",
                fix=_other_trust(seen),
            ) from None
        raise VerificationError(
            "altered-statement",
            f"the signature does not match the statement with {verifier.algorithm}: the statement "
            "or the signature was altered",
            fix=f"{FORGED} {_other_cause(verifier.algorithm)}".rstrip(),
        ) from None


def _other_trust(label: str) -> str:
    if label.startswith("hmac:"):
        return "it is an HMAC: verify it with --hmac and the secret in POLICY_SIGNING_KEY."
    if label == "sha256":
        return "it is a plain SHA-256, which proves integrity only: --integrity-only takes it."
    return "verify with the public key of the one named (--key), if that is a key you trust."


def _other_cause(algorithm: str) -> str:
    if algorithm.startswith("RSA"):
        return "Or the key was used with another algorithm: name it with --algorithm."
    if algorithm.startswith("HMAC"):
        return "Or it was another secret that signed."
    return ""


def compare_digest(actual: bytes, expected: list[bytes]) -> None:
    """Compare a file's SHA-256 with the digests that a statement is about.

    Raises:
        VerificationError: ``wrong-subject``.
    """
    if actual not in expected:
        named = ", ".join(digest.hex() for digest in expected[:3]) or "no SHA-256 at all"
        raise VerificationError(
            "wrong-subject",
            f"the signed statement is about {named}, not about {actual.hex()}",
            fix="give the signed audit that belongs to this file.",
        )


def digest_of(path: Path, hasher: Hasher | None = None, progress: Progress | None = None) -> bytes:
    """The SHA-256 of a file, 32 bytes, whatever its content is.

    Args:
        path: the file.
        hasher: takes the same bytes.
        progress: called with the bytes read so far.

    Raises:
        AuditFileError: it cannot be read, or is no regular file.
    """
    sha256 = hashlib.sha256()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise _not_regular(path)
            while chunk := file.read(1 << 20):
                sha256.update(chunk)
                if hasher is not None:
                    hasher.update(chunk)
                if progress is not None:
                    progress(file.tell())
            after = os.fstat(descriptor)
            if (file.tell(), after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise AuditFileError(
                    "audit-file-changed",
                    "the file changed while it was read",
                    fix="verify it after the step that writes it has ended.",
                    path=str(path),
                )
    except IsADirectoryError as error:
        raise _not_regular(path) from error
    except OSError as error:
        raise AuditFileError(
            "audit-file-unreadable",
            f"it cannot be read: {error.strerror}",
            fix="check the path and its permissions.",
            path=str(path),
        ) from error
    return sha256.digest()


def _not_regular(path: Path) -> AuditFileError:
    return AuditFileError(
        "audit-file-not-regular",
        "this is not a regular file",
        fix="name a file; directories, pipes and devices cannot be verified.",
        path=str(path),
    )


def malformed(detail: str) -> VerificationError:
    """The error for a signed statement that is not as specified."""
    return VerificationError(
        "malformed-statement", f"the signed statement is not as specified: {detail}", fix=FORGED
    )


def inconsistent(detail: str) -> VerificationError:
    """The error for a statement that contradicts what is known of the key that verified it."""
    return VerificationError(
        "inconsistent-statement",
        f"the statement contradicts the key that verified it: {detail}",
        fix=FORGED,
    )
