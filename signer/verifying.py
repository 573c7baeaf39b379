"""Is this record whole, and did the trusted key sign it? Offline, and in this order:

the bundle is parsed; its signature is checked with what the verifier trusts; only then is the
statement read; then the file, its digest, size, events and Merkle root are compared with it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from signer.assurance import Assurance
from signer.audit.reader import read_audit_file
from signer.audit.statement import PREDICATE_TYPE, Statement, parse_time
from signer.crypto.verifier import Verifier
from signer.envelope import bundle, dsse, strict_json
from signer.envelope.dsse import Envelope
from signer.errors import AuditFileError, UsageError, VerificationError

# What a clock may be ahead of another one.
CLOCK_SKEW = timedelta(minutes=5)

_STATEMENT_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_FORGED = "get the signed audit and the audit file again from where they were signed."

Kind = Literal["signed-audit", "attestation", "message-signature"]


@dataclass(frozen=True, slots=True)
class Demands:
    """What must hold beyond the signature.

    Attributes:
        any_type: take other attestations and message signatures too.
        expect: run field (GitHub's claim name) to the value it must have; ``*`` is any.
        max_age: how old the statement may be.
        minimum_assurance: the weakest assurance that is accepted.
    """

    any_type: bool = False
    expect: Mapping[str, str] | None = None
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
    """

    kind: Kind
    sha256: bytes
    statement: Statement | None
    file_compared: bool


def verify(
    bundle_text: bytes,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands,
    *,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Verify a bundle about an audit file.

    Args:
        bundle_text: the bundle's bytes, foreign.
        audit: the audit file, or only its SHA-256 (32 bytes).
        verifier: what is trusted.
        demands: what else must hold.
        now: the time to measure ages against (aware; default: the clock).
        progress: called with the bytes read so far.

    Raises:
        VerificationError: not verified; its code is the reason.
        UsageError: the question cannot be answered as it was put.
        AuditFileError: the audit file cannot be read.
    """
    parsed = bundle.decode(bundle_text)
    if isinstance(parsed.content, Envelope):
        return _verify_envelope(
            parsed.content, parsed.hint, audit, verifier, demands, now or datetime.now(UTC), progress
        )
    if not demands.any_type:
        raise VerificationError(
            "wrong-kind",
            "this bundle is a signature over a file's bytes, not a signed audit",
            fix="verify it with --type any, if that is what you expect.",
        )
    return _verify_message(parsed.content, parsed.hint, audit, verifier, demands, progress)


def _verify_envelope(
    envelope: Envelope,
    hint: str | None,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands,
    now: datetime,
    progress: Callable[[int], None] | None,
) -> Verified:
    hasher = verifier.hasher()
    hasher.update(dsse.pae(envelope.payload_type, envelope.payload))
    _check_signature(verifier, envelope.signature, hasher.digest(), (envelope.keyid, hint))
    if envelope.payload_type != dsse.PAYLOAD_TYPE:
        raise VerificationError(
            "wrong-payload-type",
            f"the signed payload is {envelope.payload_type[:80]!r}, not {dsse.PAYLOAD_TYPE!r}",
            fix="verify a signed audit (NAME.sigstore.json).",
        )
    fields = strict_json.loads(envelope.payload, what="the signed statement")
    if not isinstance(fields, dict):
        raise _malformed("it is not a JSON object")
    if fields.get("predicateType") != PREDICATE_TYPE:
        if demands.any_type:
            return _verify_attestation(fields, audit, demands, progress)
        raise VerificationError(
            "wrong-predicate-type",
            f"the statement's predicateType is {str(fields.get('predicateType'))[:80]!r}, "
            f"not {PREDICATE_TYPE!r}",
            fix="verify it with --type any, if another kind of attestation is what you expect.",
        )
    statement = _parse(fields)
    _check_consistency(statement, verifier)
    _check_assurance(statement.predicate.signing.assurance, demands)
    _compare(statement, audit, progress)
    _check_run(statement, demands.expect or {})
    _check_age(statement, demands.max_age, now)
    return Verified(
        "signed-audit",
        bytes.fromhex(statement.subject[0].digest.sha256),
        statement,
        isinstance(audit, Path),
    )


def _check_signature(
    verifier: Verifier, signature: bytes, digest: bytes, labels: tuple[str | None, str | None]
) -> None:
    try:
        verifier.verify(signature, digest)
    except VerificationError:
        # keyid and hint are not signed: they tell a person where to look, and decide nothing.
        key = verifier.public_key
        known = (key.fingerprint, key.hint) if key else ("hmac", "sha256")
        seen = next((label for label in labels if label), None)
        if seen is not None and not any(label in known for label in labels if label):
            raise VerificationError(
                "wrong-key",
                f"the signature is not by the trusted key ({known[0]}): it names {seen[:80]!r}",
                fix="verify with the public key that belongs to the one named, "
                "if that is a key you trust.",
            ) from None
        raise VerificationError(
            "altered-statement",
            f"the signature does not match the statement with {verifier.algorithm}: the statement "
            "or the signature was altered",
            fix=_FORGED + " If the key is RSA, it may have been used with another algorithm: "
            "name it with --algorithm.",
        ) from None


def _parse(fields: dict[str, Any]) -> Statement:
    subjects = fields.get("subject")
    if isinstance(subjects, list) and len(subjects) != 1:
        raise VerificationError(
            "wrong-subject",
            f"the statement has {len(subjects)} subjects; a signed audit has exactly one",
            fix=_FORGED,
        )
    try:
        return Statement.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _malformed(f"{place}: {first['msg']}") from None


def _check_consistency(statement: Statement, verifier: Verifier) -> None:
    signing = statement.predicate.signing
    if signing.algorithm != verifier.algorithm:
        raise VerificationError(
            "wrong-algorithm",
            f"the statement names the algorithm {signing.algorithm[:40]!r}, but it was "
            f"{verifier.algorithm} that verified",
            fix="name the algorithm that you expect with --algorithm.",
        )
    key = verifier.public_key
    if key is None:
        expected = (
            {Assurance.DIGEST} if verifier.algorithm == "SHA_256" else {Assurance.SHARED_SECRET}
        )
    else:
        expected = {Assurance.SOFTWARE_KEY, Assurance.MANAGED_KEY}
        if signing.key_fingerprint != key.fingerprint:
            raise _inconsistent(f"it names the key {str(signing.key_fingerprint)[:80]!r}")
    if signing.assurance not in expected:
        raise _inconsistent(f"it claims the assurance {signing.assurance}")


def _check_assurance(assurance: Assurance, demands: Demands) -> None:
    if not assurance.covers(demands.minimum_assurance):
        raise VerificationError(
            "below-minimum-assurance",
            f"the assurance is {assurance}, and {demands.minimum_assurance} is asked for",
            fix="have it signed with a stronger key, or lower minimum-assurance.",
        )


def _compare(
    statement: Statement, audit: Path | bytes, progress: Callable[[int], None] | None
) -> None:
    expected = bytes.fromhex(statement.subject[0].digest.sha256)
    if isinstance(audit, bytes):
        _compare_digest(audit, [expected])
        return
    facts = statement.predicate.audit_file
    try:
        read = read_audit_file(
            audit, format=facts.format, event_pointer=facts.event_pointer, progress=progress
        )
    except AuditFileError as error:
        _require_readable(audit, error)
        if _digest_of(audit) != expected:
            raise _altered(audit, f"it does not even read as {facts.format}") from error
        raise VerificationError(
            "wrong-event-count",
            f"{audit} is the signed file, but its events cannot be read: {error.message}",
            fix=_FORGED,
        ) from error
    if read.sha256 != expected:
        raise _altered(audit, f"its SHA-256 is {read.sha256.hex()}, not {expected.hex()}")
    if read.size != facts.size:
        raise _unequal("wrong-size", "size", read.size, facts.size)
    if read.event_count != facts.event_count:
        raise _unequal("wrong-event-count", "event count", read.event_count, facts.event_count)
    if read.merkle_root.hex() != facts.merkle_root:
        raise _unequal(
            "wrong-merkle-root", "Merkle root", read.merkle_root.hex(), facts.merkle_root
        )


def _check_run(statement: Statement, expect: Mapping[str, str]) -> None:
    run = statement.predicate.run
    for name, wanted in expect.items():
        if wanted == "*":
            continue
        actual = getattr(run, name) if run else None
        if actual != wanted:
            said = "names no run" if run is None else f"says {str(actual)[:200]!r}"
            raise VerificationError(
                "unexpected-run",
                f"{name} is expected to be {wanted[:200]!r}, and the statement {said}",
                fix="get the signed audit of the run that you mean, or change expect.",
            )


def _check_age(statement: Statement, max_age: timedelta | None, now: datetime) -> None:
    text = statement.predicate.signing.time
    try:
        signed = parse_time(text)
    except ValueError:
        raise _malformed(f"{text!r} is not a time") from None
    if signed > now + CLOCK_SKEW:
        raise VerificationError(
            "from-the-future",
            f"it says that it was signed at {text}, which is yet to come",
            fix="set this machine's clock, or that of the runner that signed.",
        )
    if max_age is not None and now - signed > max_age:
        raise VerificationError(
            "too-old",
            f"it was signed at {text}, longer ago than max-age allows",
            fix="get today's signed audit, or raise max-age.",
        )


def _verify_attestation(
    fields: dict[str, Any],
    audit: Path | bytes,
    demands: Demands,
    progress: Callable[[int], None] | None,
) -> Verified:
    _refuse_run_demands(demands, "attestation")
    if fields.get("_type") not in _STATEMENT_TYPES:
        raise _malformed(f"_type is {str(fields.get('_type'))[:80]!r}")
    subjects = fields.get("subject")
    digests = []
    for subject in subjects if isinstance(subjects, list) else []:
        digest = subject.get("digest") if isinstance(subject, dict) else None
        text = digest.get("sha256") if isinstance(digest, dict) else None
        if isinstance(text, str):
            digests.append(text.lower())
    expected = [bytes.fromhex(text) for text in digests if _is_sha256(text)]
    actual = audit if isinstance(audit, bytes) else _digest_of(audit)
    _compare_digest(actual, expected)
    return Verified("attestation", actual, None, isinstance(audit, Path))


def _verify_message(
    message: bundle.MessageSignature,
    hint: str | None,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands,
    progress: Callable[[int], None] | None,
) -> Verified:
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
        sha256, digest = _digest_of(audit, hasher), hasher.digest()
    if message.sha256 != sha256:
        raise VerificationError(
            "altered-file",
            f"the file's SHA-256 is {sha256.hex()}, and the bundle is for {message.sha256.hex()}",
            fix=_FORGED,
        )
    _check_signature(verifier, message.signature, digest, (None, hint))
    return Verified("message-signature", sha256, None, isinstance(audit, Path))


def _refuse_run_demands(demands: Demands, kind: str) -> None:
    asked = any(wanted != "*" for wanted in (demands.expect or {}).values())
    if asked or demands.max_age or demands.minimum_assurance is not Assurance.DIGEST:
        raise VerificationError(
            "unexpected-run",
            f"a run, an age or an assurance is expected, and this {kind} states none",
            fix="take expect, max-age and minimum-assurance out, or verify a signed audit.",
        )


def _compare_digest(actual: bytes, expected: list[bytes]) -> None:
    if actual not in expected:
        named = ", ".join(digest.hex() for digest in expected[:3]) or "no SHA-256 at all"
        raise VerificationError(
            "wrong-subject",
            f"the signed statement is about {named}, not about {actual.hex()}",
            fix="give the signed audit that belongs to this file.",
        )


def _require_readable(path: Path, error: AuditFileError) -> None:
    try:
        with path.open("rb"):
            return
    except OSError:
        raise error from None


def _digest_of(path: Path, *hashers: Any) -> bytes:
    sha256 = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                for hasher in (sha256, *hashers):
                    hasher.update(chunk)
    except OSError as error:
        raise AuditFileError(
            "audit-file-unreadable",
            f"it cannot be read: {error.strerror}",
            fix="check the path and its permissions.",
            path=str(path),
        ) from error
    return sha256.digest()


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and all(character in "0123456789abcdef" for character in text)


def _altered(path: Path, detail: str) -> VerificationError:
    return VerificationError(
        "altered-file", f"{path} is not the file that was signed: {detail}", fix=_FORGED
    )


def _unequal(code: str, what: str, actual: object, stated: object) -> VerificationError:
    return VerificationError(
        code, f"the file's {what} is {actual}, and the statement says {stated}", fix=_FORGED
    )


def _inconsistent(detail: str) -> VerificationError:
    return VerificationError(
        "inconsistent-statement",
        f"the statement contradicts the key that verified it: {detail}",
        fix=_FORGED,
    )


def _malformed(detail: str) -> VerificationError:
    return VerificationError(
        "malformed-statement", f"the signed statement is not as specified: {detail}", fix=_FORGED
    )
