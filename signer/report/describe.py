"""What a signed audit says, for a person's eyes."""

import json
from pathlib import Path
from typing import Any

from signer.assurance import Assurance
from signer.audit.statement import CLAIMED, PROVED, Run, Statement
from signer.envelope import bundle
from signer.envelope.dsse import Envelope
from signer.errors import UsageError
from signer.github.commands import log_line
from signer.small_files import read_small_file
from signer.verify.verdict import Verified

_PROVES = {
    Assurance.DIGEST: "integrity only, no origin",
    Assurance.SHARED_SECRET: "who can verify it could have made it",
    Assurance.SOFTWARE_KEY: "a simulation: the key is a file, which can be copied",
    Assurance.MANAGED_KEY: "the key cannot be copied",
}


def describe_verified(name: str, verified: Verified) -> str:
    """A few lines about what was verified and what that means."""
    lines = [f"verified: {log_line(name)}"]
    if not verified.file_compared:
        lines.append("  the digest only; the file itself was not there to compare")
    if verified.trusted_key:
        lines.append(f"  {'trusted':12}the key {log_line(verified.trusted_key)}")
    if verified.statement is None:
        lines.append(f"  kind        {verified.kind}: it says nothing of events, assurance or run")
    else:
        lines += _statement_lines(verified.statement, proved=verified.identity_proved)
        if verified.allowed_by:
            rule = log_line(verified.allowed_by)
            lines.append(f"  {'allowed':12}by the rule {rule} of the signing policy that you hold")
    return "\n".join(lines)


def inspect_bundle(path: str) -> dict[str, Any]:
    """What a bundle says of itself. Nothing of it is verified.

    Raises:
        UsageError: the file cannot be read.
        VerificationError: it is not a bundle.
    """
    try:
        text = read_small_file(Path(path), bundle.MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "bundle-not-found",
            f"{path} cannot be read: {error.strerror}",
            fix="check the path of the signed audit.",
        ) from error
    parsed = bundle.decode(text)
    fields: dict[str, Any] = {"verified": False, "hint": parsed.hint}
    if isinstance(parsed.content, Envelope):
        fields |= {
            "kind": "envelope",
            "keyid": parsed.content.keyid,
            "payload-type": parsed.content.payload_type,
            "statement": _payload(parsed.content.payload),
        }
    else:
        fields |= {"kind": "message-signature", "audit-digest": parsed.content.sha256.hex()}
    return fields


def describe_bundle(fields: dict[str, Any]) -> str:
    """The same as lines, below a warning."""
    lines = ["NOT VERIFIED: this is what the bundle says of itself"]
    lines += [
        f"  {name:14}{log_line(str(value))}"
        for name, value in fields.items()
        if name not in ("verified", "statement")
    ]
    if "statement" in fields:
        shown = json.dumps(fields["statement"], indent=2, ensure_ascii=False)
        lines += [f"  {log_line(line)}" for line in shown.split("\n")]
    return "\n".join(lines)


def _payload(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "backslashreplace")


def _key_made(created: str) -> str:
    return f"{created} (the word of whoever holds the key, not proved)"


def _run(run: Run, *, proved: bool) -> str:
    number = ".".join(filter(None, (run.run_id, run.run_attempt)))
    parts = (run.repository, run.ref, run.sha, f"run {number}" if number else None)
    return f"{' '.join(filter(None, parts))} ({PROVED if proved else CLAIMED})"


def _statement_lines(statement: Statement, *, proved: bool) -> list[str]:
    facts, signing = statement.predicate.audit_file, statement.predicate.signing
    run = statement.predicate.run
    lines = [
        ("subject", f"{statement.subject[0].name} ({facts.size} bytes, {facts.format})"),
        ("digest", f"sha256:{statement.subject[0].digest.sha256}"),
        ("events", f"{facts.event_count}, Merkle root {facts.merkle_root}"),
        ("signed", f"{signing.time} by {signing.provider} with {signing.algorithm}"),
        ("key", f"{signing.key_fingerprint or 'no public key'} ({signing.key_id})"),
        *([("key made", _key_made(signing.key_created))] if signing.key_created else []),
        ("assurance", f"{signing.assurance}: {_PROVES[signing.assurance]}"),
    ]
    lines.append(("run", _run(run, proved=proved) if run else "none: not made in a workflow"))
    if policy := statement.predicate.signing_policy:
        named = f"{policy.rule} of the signing policy sha256:{policy.digest.sha256}"
        lines.append(("rule", f"{named} ({CLAIMED})"))
    return [f"  {name:12}{log_line(text)}" for name, text in lines]
