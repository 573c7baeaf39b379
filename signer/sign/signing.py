"""From audit files to signed audits: read, state, sign, check, and only then write."""

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from signer import __version__
from signer.audit.formats import AuditFormat, format_for
from signer.audit.reader import AuditFile, read_audit_file
from signer.audit.statement import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    AuditFileFacts,
    Digest,
    Predicate,
    Run,
    Signing,
    Statement,
    Subject,
    format_time,
    new_id,
)
from signer.envelope import bundle, dsse
from signer.errors import ProviderError, UsageError, VerificationError
from signer.files import refuse_existing, write_all
from signer.progress import Progress, progress_of
from signer.providers import Provider
from signer.settings.models import SignSettings
from signer.sign.stating import gated_run, identity_of, permit_for, policy_facts

if TYPE_CHECKING:  # only runs with a signing policy load the gate
    from signer.gate.decide import Gate, Permit

MAX_PARALLEL = 16

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the results of one audit file go."""

    signed_audit: Path
    public_key: Path | None
    plain_signature: Path | None
    identity: Path | None = None

    def paths(self) -> list[Path]:
        """The results in the order they appear: the signed audit last."""
        every = (self.public_key, self.plain_signature, self.identity, self.signed_audit)
        return [path for path in every if path]


@dataclass(frozen=True, slots=True)
class SignedAudit:
    """One audit file, signed and written.

    Attributes:
        audit: what was read.
        subject: the name in the statement.
        targets: the files that were written.
        signature: the signature in the signed audit, in bytes.
        permit: why the gate allowed it; None where there is no signing policy.
    """

    audit: AuditFile
    subject: str
    targets: Targets
    signature: bytes
    permit: "Permit | None" = None

    @property
    def signature_base64(self) -> str:
        """The signature in base64 on one line."""
        return base64.b64encode(self.signature).decode()


def output_folder(path: Path, settings: SignSettings) -> Path:
    """Where the results of an audit file go: beside it, or in the output directory."""
    return settings.output_directory or path.parent


def formats_of(files: Sequence[Path], settings: SignSettings) -> dict[Path, AuditFormat]:
    """How each audit file is read.

    Raises:
        UsageError: ``setting-conflict`` between a format and event-pointer.
    """
    formats = {path: settings.audit_format or format_for(path) for path in files}
    _refuse_misplaced_pointer(settings.event_pointer, formats)
    return formats


def plan_targets(
    files: Sequence[Path], settings: SignSettings, *, public_key: bool
) -> list[Targets]:
    """Where the results of each audit file will go.

    Args:
        files: the audit files.
        settings: how they are signed.
        public_key: whether the key has one, which is a result too.

    Raises:
        UsageError: ``output-clash``.
        OutputError: ``output-exists``, ``output-not-a-file``.
    """
    targets = [_targets_for(path, settings, public_key=public_key) for path in files]
    _refuse_clashes(files, targets)
    refuse_existing([path for one in targets for path in one.paths()], overwrite=settings.overwrite)
    return targets


def _targets_for(path: Path, settings: SignSettings, *, public_key: bool) -> Targets:
    directory = output_folder(path, settings)
    return Targets(
        signed_audit=directory / f"{path.name}.sigstore.json",
        public_key=directory / f"{path.name}.pub" if public_key else None,
        plain_signature=directory / f"{path.name}.sig" if settings.plain_signature else None,
        identity=directory / f"{path.name}.identity.jwt"
        if settings.signing_policy and settings.identity_evidence
        else None,
    )


def sign_audit_files(
    files: Sequence[Path],
    settings: SignSettings,
    provider: Provider,
    *,
    run: Run | None,
    workspace: Path,
    gate: "Gate | None" = None,
    count_decisions: bool = False,
    progress: Progress | None = None,
) -> list[SignedAudit]:
    """Sign every file, or write nothing.

    Args:
        files: the audit files.
        settings: formats, places and what else to make.
        provider: the key.
        run: the run to record, if this is one.
        workspace: the folder that subjects' names are relative to.
        gate: decides about each file once it is read; None lets every run sign.
        count_decisions: count the decisions of known tools, for the summary.
        progress: called while a file is read.

    Raises:
        AuditFileError: a file is refused.
        UsageError: two results would have one path, the statement is too large, …
        GateError: the signing policy does not allow it.
        ProviderError: no signature, or one that does not verify.
        OutputError: a result exists or could not be written.
    """
    formats = formats_of(files, settings)
    targets = plan_targets(files, settings, public_key=provider.public_key is not None)

    def read(path: Path) -> tuple[AuditFile, bytes | None]:
        hasher = provider.hasher() if settings.plain_signature else None
        audit = read_audit_file(
            path,
            format=formats[path],
            event_pointer=settings.event_pointer,
            hashers=[hasher] if hasher else [],
            count_decisions=count_decisions,
            progress=progress_of(path, progress),
        )
        return audit, hasher.digest() if hasher else None

    audits = [read(path) for path in files]
    subjects = [_subject_name(path, workspace) for path in files]
    permits: list[Permit | None] = [None] * len(files)
    if gate is not None:
        # Asked for before the files go side by side, which would each ask for it.
        created = provider.key_created() if gate.asks_key_age(provider.name) else None
        permits = _side_by_side(
            lambda index: permit_for(gate, audits[index][0], settings, provider, created),
            len(files),
        )

    def sign(index: int) -> tuple[bytes, bytes, bytes | None]:
        audit, plain_digest = audits[index]
        statement = _state(audit, subjects[index], provider, run, permits[index], settings)
        signature, signed_audit = _envelope(statement.encode(), provider)
        plain = None if plain_digest is None else _checked_signature(provider, plain_digest)
        return signature, signed_audit, plain

    signed = _side_by_side(sign, len(files))
    contents: dict[Path, bytes] = {}
    results = []
    for index, (signature, signed_audit, plain) in enumerate(signed):
        target = targets[index]
        if target.public_key and provider.public_key:
            contents[target.public_key] = provider.public_key.pem
        if target.plain_signature and plain is not None:
            contents[target.plain_signature] = plain
        permit = permits[index]
        if target.identity and permit and permit.proved:
            contents[target.identity] = permit.proved.token.encode()
        elif target.identity:
            target = replace(target, identity=None)
        contents[target.signed_audit] = signed_audit
        results.append(SignedAudit(audits[index][0], subjects[index], target, signature, permit))
    write_all(contents, overwrite=settings.overwrite)
    return results


def _refuse_misplaced_pointer(pointer: str | None, formats: dict[Path, AuditFormat]) -> None:
    for path, audit_format in formats.items():
        if pointer is not None and audit_format is not AuditFormat.JSON:
            raise UsageError(
                "setting-conflict",
                f"event-pointer is set, and {path} is read as {audit_format}",
                fix="sign files of the format json only with it, or set audit-format: json.",
            )


def _side_by_side(work: Callable[[int], _Result], count: int) -> list[_Result]:
    """Do ``work`` for each index: what waits for a service waits together."""
    if count == 1:
        return [work(0)]
    # Not needed for one file.
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    pool = ThreadPoolExecutor(min(count, MAX_PARALLEL))
    try:
        futures = [pool.submit(work, index) for index in range(count)]
        # Whichever fails first ends it, and not the first in order once its turn comes.
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
        return [future.result() for future in futures]
    finally:
        # Neither a failure nor a signal waits for what a service has not answered yet.
        pool.shutdown(wait=False, cancel_futures=True)


def _refuse_clashes(files: Sequence[Path], targets: list[Targets]) -> None:
    sources: dict[str, Path] = {}
    for path, target in zip(files, targets, strict=True):
        first = sources.setdefault(os.path.abspath(target.signed_audit), path)
        if first is not path:
            raise UsageError(
                "output-clash",
                f"{first} and {path} would both be signed into {target.signed_audit}",
                fix="sign them into different output directories, or beside the files.",
            )


def _subject_name(path: Path, workspace: Path) -> str:
    real = Path(os.path.abspath(path))
    if real.is_relative_to(workspace):
        return real.relative_to(workspace).as_posix()
    return path.name


def _state(
    audit: AuditFile,
    subject: str,
    provider: Provider,
    run: Run | None,
    permit: "Permit | None",
    settings: SignSettings,
) -> Statement:
    public_key = provider.public_key
    return Statement(
        type=STATEMENT_TYPE,
        predicate_type=PREDICATE_TYPE,
        subject=(Subject(name=subject, digest=Digest(sha256=audit.sha256.hex())),),
        predicate=Predicate(
            id=new_id(),
            signer_version=__version__,
            audit_file=AuditFileFacts(
                format=audit.format,
                event_pointer=audit.event_pointer,
                size=audit.size,
                event_count=audit.event_count,
                merkle_root=audit.merkle_root.hex(),
            ),
            signing=Signing(
                time=format_time(permit.moment if permit else datetime.now(UTC)),
                provider=provider.name,
                assurance=provider.assurance,
                algorithm=provider.algorithm,
                key_id=provider.key_id,
                key_fingerprint=public_key.fingerprint if public_key else None,
                key_created=format_time(permit.key_created)
                if permit and permit.key_created
                else None,
                plain_signature=settings.plain_signature or None,
                simulation=True if provider.name == "kms" else None,
            ),
            run=gated_run(run, permit),
            identity=identity_of(run, permit),
            signing_policy=policy_facts(permit, settings, provider),
        ),
    )


def _envelope(statement: bytes, provider: Provider) -> tuple[bytes, bytes]:
    hasher = provider.hasher()
    hasher.update(dsse.pae(dsse.PAYLOAD_TYPE, statement))
    signature = _checked_signature(provider, hasher.digest())
    public_key = provider.public_key
    envelope = dsse.Envelope(
        payload=statement,
        payload_type=dsse.PAYLOAD_TYPE,
        signature=signature,
        keyid=public_key.fingerprint if public_key else provider.key_id,
    )
    return signature, bundle.encode(envelope, public_key.hint if public_key else provider.key_id)


def _checked_signature(provider: Provider, digest: bytes) -> bytes:
    signature = provider.sign(digest)
    try:
        provider.verify(signature, digest)
    except VerificationError as error:
        raise ProviderError(
            "signature-does-not-verify",
            f"{provider.name} answered with a signature that its own public key "
            f"({provider.key_id}) does not verify; nothing was written",
            fix="check that the key and the pinned public key belong together.",
        ) from error
    return signature
