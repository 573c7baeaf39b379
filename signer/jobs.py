"""What the action and the command line have in common: one job, its log and its results."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signer.audit.find import find_audit_files
from signer.crypto.algorithms import choose_algorithm
from signer.crypto.key_file import read_public_key
from signer.crypto.verifier import PublicKeyVerifier, Verifier
from signer.envelope.bundle import MAX_BUNDLE_BYTES
from signer.errors import AuditFileError, SignerError, UsageError, VerificationError
from signer.github.host import host_of
from signer.github.paths import JobPaths
from signer.github.run import run_of
from signer.log import Log
from signer.providers import Provider
from signer.providers.choose import open_provider
from signer.settings import Settings, SignSettings, VerifySettings, default_kms_directory
from signer.signing import Progress, SignedAudit, sign_audit_files, targets_for
from signer.verdict import Demands, Verified
from signer.verifying import verify

_CONTROL = re.compile("[\x00-\x1f\x7f]")
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")

Result = dict[str, str | int | bool]

_NOTHING_CHECKED: Result = {
    "verified": False,
    "reason": "audit-file-not-found",
    "message": "there was no audit file to verify",
}


@dataclass(frozen=True, slots=True)
class Signed:
    """The end of a signing job: what was signed, and what the outputs say of it."""

    audits: list[SignedAudit]
    provider: Provider
    results: list[Result]
    files: list[str]

    def fields(self) -> dict[str, Any]:
        """The outputs: those of the first file, ``results`` of all, ``files`` to keep."""
        first = {name: value for name, value in self.results[0].items() if name != "audit-file"}
        return {**first, "results": self.results, "files": self.files}


@dataclass(slots=True)
class Checked:
    """The end of a verifying job: an answer for each file.

    Attributes:
        results: what the outputs say of each.
        verified: what was verified, by the audit file's name.
        error: the first reason not to trust, if there is one.
    """

    results: list[Result] = field(default_factory=list)
    verified: dict[str, Verified] = field(default_factory=dict)
    error: SignerError | None = None

    def fields(self) -> dict[str, Any]:
        """The outputs: those of the first failure, else of the first file."""
        chosen = next((result for result in self.results if not result["verified"]), None)
        first = chosen or (self.results[0] if self.results else _NOTHING_CHECKED)
        said = {name: value for name, value in first.items() if name != "audit-file"}
        return {**said, "results": self.results}


def sign(
    settings: SignSettings,
    environ: Mapping[str, str],
    log: Log,
    paths: JobPaths,
    *,
    count_decisions: bool,
    progress: Progress | None = None,
) -> Signed | None:
    """Sign what the settings name; None where there is nothing and that is allowed.

    Raises:
        SignerError: whatever goes wrong; nothing is written then.
    """
    files = _find(settings, log)
    if not files:
        return None
    provider = open_provider(
        settings,
        host_of(environ, log),
        default_kms_directory=default_kms_directory(environ),
    )
    _announce(provider, log)
    for path in files:
        for target in targets_for(path, settings, provider).paths():
            paths.check_output(target)
    audits = sign_audit_files(
        files,
        settings,
        provider,
        run=run_of(environ),
        workspace=paths.workspace,
        count_decisions=count_decisions,
        progress=progress,
    )
    results = [_signed_result(one, provider, paths) for one in audits]
    for one, result in zip(audits, results, strict=True):
        log.info(
            f"signed {one.subject}: {one.audit.event_count} events, {result['audit-digest']} "
            f"-> {result['signed-audit-file']}"
        )
    kept = [[one.audit.path, *reversed(one.targets.paths())] for one in audits]
    return Signed(audits, provider, results, [paths.shown(path) for few in kept for path in few])


def check(
    settings: VerifySettings,
    environ: Mapping[str, str],
    log: Log,
    paths: JobPaths,
    *,
    progress: Progress | None = None,
) -> Checked:
    """Verify what the settings name. What fails is logged and told in the answer.

    Raises:
        SignerError: the settings do not allow even to begin.
    """
    audits = _audits_to_verify(settings, log)
    verifier = _open_verifier(settings, environ, log)
    _warn_of_near_key(settings, audits, log)
    demands = Demands(
        any_type=settings.type == "any",
        expect=settings.expect,
        max_age=settings.max_age,
        minimum_assurance=settings.minimum_assurance,
    )
    answer = Checked()
    for name, audit in audits.items():
        bundle = _bundle_path(settings, audit)
        read = None
        if progress is not None and isinstance(audit, Path):
            read = _bound_progress(progress, audit)
        try:
            verified = verify(_read_bundle(bundle), audit, verifier, demands, progress=read)
        except SignerError as error:
            log.error(error)
            answer.error = answer.error or error
            failed: Result = {
                "audit-file": name,
                "verified": False,
                "reason": error.code,
                "message": error.message,
            }
            answer.results.append(failed)
            continue
        answer.verified[name] = verified
        answer.results.append(_verified_result(name, verified, verifier, bundle, paths))
    return answer


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


def _find(settings: Settings, log: Log) -> list[Path]:
    found = find_audit_files(settings.audit_file)
    nothing_left = () if found.files or found.unmatched else (" ".join(settings.audit_file),)
    for line in found.unmatched or nothing_left:
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
    return list(found.files)


def _announce(provider: Provider, log: Log) -> None:
    log.info(f"provider {provider.name}, {provider.algorithm}, key {provider.key_id}")
    for note in provider.notes:
        log.info(note)
    for warning in provider.warnings:
        log.warning("policy audit: assurance", warning)


def _signed_result(one: SignedAudit, provider: Provider, paths: JobPaths) -> Result:
    result: Result = {
        "audit-file": paths.shown(one.audit.path),
        "signature": one.signature_base64,
        "signed-audit-file": paths.shown(one.targets.signed_audit),
        "audit-digest": f"sha256:{one.audit.sha256.hex()}",
        "merkle-root": one.audit.merkle_root.hex(),
        "event-count": one.audit.event_count,
        "provider": provider.name,
        "algorithm": provider.algorithm,
        "key-id": provider.key_id,
        "assurance": provider.assurance.value,
    }
    if provider.public_key:
        result["key-fingerprint"] = provider.public_key.fingerprint
    if one.targets.public_key:
        result["public-key-file"] = paths.shown(one.targets.public_key)
    if one.targets.plain_signature:
        result["plain-signature-file"] = paths.shown(one.targets.plain_signature)
    return result


def _verified_result(
    name: str, verified: Verified, verifier: Verifier, bundle: Path, paths: JobPaths
) -> Result:
    result: Result = {
        "audit-file": name,
        "verified": True,
        "reason": "verified",
        "message": f"{name} is what was signed",
        "kind": verified.kind,
        "signed-audit-file": paths.shown(bundle),
        "audit-digest": f"sha256:{verified.sha256.hex()}",
        "algorithm": verifier.algorithm,
    }
    if verifier.public_key:
        result["key-fingerprint"] = verifier.public_key.fingerprint
    if verified.statement:
        facts, signing = (
            verified.statement.predicate.audit_file,
            verified.statement.predicate.signing,
        )
        result |= {
            "merkle-root": facts.merkle_root,
            "event-count": facts.event_count,
            "provider": signing.provider,
            "key-id": signing.key_id,
            "assurance": signing.assurance.value,
        }
    return result


def _audits_to_verify(settings: VerifySettings, log: Log) -> dict[str, Path | bytes]:
    digests: dict[str, Path | bytes] = {}
    for line in settings.audit_file:
        if line.startswith("sha256:"):
            match = _DIGEST.fullmatch(line)
            if match is None:
                raise UsageError(
                    "digest-malformed",
                    f"{line[:100]!r} is not sha256: and 64 hex digits",
                    fix="give the whole digest, as sha256sum prints it, behind sha256:",
                )
            digests[line] = bytes.fromhex(match[1])
    others = tuple(line for line in settings.audit_file if line not in digests)
    files = _find(settings.model_copy(update={"audit_file": others}), log) if others else []
    audits = {**digests, **{str(path): path for path in files}}
    if settings.bundle is not None and len(audits) > 1:
        raise UsageError(
            "setting-conflict",
            f"bundle names one signed audit, and there are {len(audits)} audit files",
            fix="verify one at a time, or leave bundle out: it defaults to NAME.sigstore.json.",
        )
    if settings.bundle is None and digests:
        raise UsageError(
            "setting-missing",
            "a digest has no folder to look for its signed audit in",
            fix="name the signed audit with bundle.",
        )
    return audits


def _open_verifier(settings: VerifySettings, environ: Mapping[str, str], log: Log) -> Verifier:
    if settings.public_key is not None:
        key = read_public_key(settings.public_key)
        return PublicKeyVerifier(key, choose_algorithm(settings.algorithm, key.spec))
    chosen = "hmac" if settings.hmac else "sha256" if settings.integrity_only else settings.provider
    trusting = settings.model_copy(update={"provider": chosen, "minimum_assurance": "digest"})
    return open_provider(
        trusting,
        host_of(environ, log),
        default_kms_directory=default_kms_directory(environ),
        create_keys=False,
    )


def _warn_of_near_key(
    settings: VerifySettings, audits: Iterable[str] | dict[str, Path | bytes], log: Log
) -> None:
    if settings.public_key is None or not isinstance(audits, dict):
        return
    folder = settings.public_key.resolve().parent
    if any(_bundle_path(settings, audit).resolve().parent == folder for audit in audits.values()):
        log.warning(
            "policy audit: key beside the signed audit",
            f"{settings.public_key} lies in the same folder as the signed audit: who could forge "
            "the one could replace the other. Trust a key that came on another way.",
        )


def _bundle_path(settings: VerifySettings, audit: Path | bytes) -> Path:
    if settings.bundle is not None:
        return settings.bundle
    if isinstance(audit, bytes):
        raise ValueError("a digest needs a bundle")
    return audit.with_name(f"{audit.name}.sigstore.json")


def _read_bundle(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise VerificationError(
            "bundle-not-found",
            f"the signed audit {path} cannot be read: {error.strerror}",
            fix="name it with bundle (--bundle), or put it beside the audit file.",
        ) from error


def _bound_progress(progress: Progress, path: Path) -> Any:
    size = path.stat().st_size if path.exists() else 0
    return lambda done: progress(path, done, size)
