"""Is this record whole, and did the trusted key sign it?

Offline, and in this order:

the bundle is parsed; its signature is checked with what the verifier trusts; only then is the
statement read; then the file, its digest, size, events and Merkle root are compared with it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from signer.assurance import Assurance
from signer.audit.formats import AuditFormat
from signer.audit.reader import read_audit_file
from signer.audit.statement import PREDICATE_TYPE, Statement, parse_time
from signer.crypto.verifier import Verifier
from signer.envelope import bundle, dsse, strict_json
from signer.envelope.dsse import Envelope
from signer.errors import AuditFileError, VerificationError
from signer.verify.other_bundles import verify_attestation, verify_message
from signer.verify.verdict import (
    FORGED,
    Demands,
    Progress,
    Verified,
    check_signature,
    compare_digest,
    digest_of,
    inconsistent,
    malformed,
)

# What a clock may be ahead of another one.
CLOCK_SKEW = timedelta(minutes=5)

# The providers whose keys no service keeps: none of them can claim a managed key.
_NO_SERVICE = ("kms", "hmac", "sha256")

# Why a file could not be read at all; other refusals are of its content, which is compared.
_NOT_READ = tuple(
    f"audit-file-{why}" for why in ("not-found", "unreadable", "not-regular", "changed")
)


def verify(
    bundle_text: bytes,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands,
    *,
    now: datetime | None = None,
    progress: Progress | None = None,
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
            parsed.content,
            parsed.hint,
            audit,
            verifier,
            demands,
            now or datetime.now(UTC),
            progress,
        )
    if not demands.any_type:
        raise VerificationError(
            "wrong-kind",
            "this bundle is a signature over a file's bytes, not a signed audit",
            fix="verify it with --type any, if that is what you expect.",
        )
    return verify_message(parsed.content, parsed.hint, audit, verifier, demands, progress)


def _verify_envelope(
    envelope: Envelope,
    hint: str | None,
    audit: Path | bytes,
    verifier: Verifier,
    demands: Demands,
    now: datetime,
    progress: Progress | None,
) -> Verified:
    hasher = verifier.hasher()
    hasher.update(dsse.pae(envelope.payload_type, envelope.payload))
    check_signature(verifier, envelope.signature, hasher.digest(), (envelope.keyid, hint))
    if envelope.payload_type != dsse.PAYLOAD_TYPE:
        raise VerificationError(
            "wrong-payload-type",
            f"the signed payload is {envelope.payload_type[:80]!r}, not {dsse.PAYLOAD_TYPE!r}",
            fix="verify a signed audit (NAME.sigstore.json).",
        )
    fields = strict_json.loads(envelope.payload, what="the signed statement")
    if not isinstance(fields, dict):
        raise malformed("it is not a JSON object")
    if fields.get("predicateType") != PREDICATE_TYPE:
        if demands.any_type:
            return verify_attestation(fields, audit, demands, progress)
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
    _check_run(statement, {**(demands.expect or {}), **(demands.own_repository or {})})
    _check_age(statement, demands.max_age, now)
    return Verified(
        "signed-audit",
        bytes.fromhex(statement.subject[0].digest.sha256),
        statement,
        isinstance(audit, Path),
    )


def _parse(fields: dict[str, Any]) -> Statement:
    subjects = fields.get("subject")
    if isinstance(subjects, list) and len(subjects) != 1:
        raise VerificationError(
            "wrong-subject",
            f"the statement has {len(subjects)} subjects; a signed audit has exactly one",
            fix=FORGED,
        )
    try:
        return Statement.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise malformed(f"{place}: {first['msg']}") from None


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
            raise inconsistent(f"it names the key {str(signing.key_fingerprint)[:80]!r}")
    if signing.assurance not in expected:
        raise inconsistent(f"it claims the assurance {signing.assurance}")
    managed = signing.assurance is Assurance.MANAGED_KEY
    if managed and (signing.simulation or signing.provider in _NO_SERVICE):
        raise inconsistent(f"provider {signing.provider[:40]!r} has no {signing.assurance}")
    if signing.assurance is Assurance.SOFTWARE_KEY and signing.provider != "kms":
        raise inconsistent(f"provider {signing.provider[:40]!r} has no {signing.assurance}")


def _check_assurance(assurance: Assurance, demands: Demands) -> None:
    if not assurance.covers(demands.minimum_assurance):
        raise VerificationError(
            "below-minimum-assurance",
            f"the assurance is {assurance}, and {demands.minimum_assurance} is asked for",
            fix="have it signed with a stronger key, or lower minimum-assurance.",
        )


def _compare(statement: Statement, audit: Path | bytes, progress: Progress | None) -> None:
    expected = bytes.fromhex(statement.subject[0].digest.sha256)
    if isinstance(audit, bytes):
        compare_digest(audit, [expected])
        return
    facts = statement.predicate.audit_file
    if facts.event_pointer is not None and facts.format is not AuditFormat.JSON:
        raise malformed(f"it has an event pointer for the format {facts.format}")
    try:
        read = read_audit_file(
            audit, format=facts.format, event_pointer=facts.event_pointer, progress=progress
        )
    except AuditFileError as error:
        if error.code in _NOT_READ:
            raise
        if digest_of(audit) != expected:
            raise _altered(audit, f"it does not even read as {facts.format}") from error
        raise VerificationError(
            "wrong-event-count",
            f"{audit} is the signed file, but its events cannot be read: {error.message}",
            fix=FORGED,
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
        raise malformed(f"{text!r} is not a time") from None
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


def _altered(path: Path, detail: str) -> VerificationError:
    return VerificationError(
        "altered-file", f"{path} is not the file that was signed: {detail}", fix=FORGED
    )


def _unequal(code: str, what: str, actual: object, stated: object) -> VerificationError:
    return VerificationError(
        code, f"the file's {what} is {actual}, and the statement says {stated}", fix=FORGED
    )
