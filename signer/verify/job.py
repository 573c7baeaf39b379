"""The verifying job of the action and of the command line: its log and its answers."""

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signer.assurance import Assurance
from signer.audit.statement import CLAIMED, PROVED
from signer.crypto.algorithms import choose_algorithm
from signer.crypto.key_file import read_public_key
from signer.crypto.verifier import PublicKeyVerifier, Verifier
from signer.envelope.bundle import MAX_BUNDLE_BYTES
from signer.errors import SignerError, UsageError, VerificationError
from signer.github.host import host_of
from signer.github.paths import JobPaths
from signer.job_files import Result, find_files
from signer.log import Log
from signer.open_provider import open_provider
from signer.progress import Progress, progress_of
from signer.providers.host import Host
from signer.settings.models import VerifySettings
from signer.small_files import read_small_file
from signer.verify.verdict import Demands, Verified
from signer.verify.verifying import verify

if TYPE_CHECKING:  # only who asks for an identity, or has trusted keys, loads the gate and YAML
    from signer.crypto.trusted_keys import TrustedKey
    from signer.verify.identity import IdentityDemands
    from signer.verify.trusted import Trusted

_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")

_NOTHING_CHECKED: Result = {
    "verified": False,
    "reason": "audit-file-not-found",
    "message": "there was no audit file to verify",
}


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


def own_repository(settings: VerifySettings, environ: Mapping[str, str]) -> dict[str, str]:
    """What a signed audit must name in a workflow, unless the settings say: its repository.

    An ``expect`` of the environment alone, which an earlier step can set, adds to that.

    Raises:
        UsageError: ``repository-unknown``.
    """
    said = settings.expect if "expect" in settings.outright else {}
    if {"repository", "repository_id"} & said.keys():
        return {}
    for name in ("repository_id", "repository"):
        if value := environ.get(f"GITHUB_{name.upper()}"):
            return {name: value}
    raise UsageError(
        "repository-unknown",
        "GITHUB_REPOSITORY is not set, so that it is not known which repository's audits to expect",
        fix="set expect, such as repository=OWNER/NAME; repository=* takes any.",
    )


def check(
    settings: VerifySettings,
    environ: Mapping[str, str],
    log: Log,
    paths: JobPaths,
    *,
    own_repository: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Verify what the settings name. What fails is logged and told in the answer.

    Args:
        settings: what to verify, and what is trusted.
        environ: the environment.
        log: where messages go.
        paths: how results name files.
        own_repository: what a signed audit's run must have unless the settings say.
        progress: called while a file is read.

    Raises:
        SignerError: the settings do not allow even to begin.
    """
    demands = Demands(
        any_type=settings.type == "any",
        expect=settings.expect,
        own_repository=own_repository,
        max_age=settings.max_age,
        minimum_assurance=settings.minimum_assurance,
    )
    with ExitStack() as cleanup:
        return _check(settings, demands, host_of(environ, log, cleanup), log, paths, progress)


def _check(
    settings: VerifySettings,
    demands: Demands,
    host: Host,
    log: Log,
    paths: JobPaths,
    progress: Progress | None,
) -> Checked:
    audits = _audits_to_verify(settings, log)
    if not audits:
        error = UsageError(
            "audit-file-not-found",
            "there was no audit file to verify",
            fix="check audit-file: where there is nothing, nothing is verified.",
        )
        log.error(error)
        return Checked(error=error)
    trusted = _trusted_keys(settings)
    chosen = None if trusted else _open_verifier(settings, host)
    _warn_of_near_key(settings, audits, log)
    identity = _identity_demands(settings, trusted)
    answer = Checked()
    for name, audit in audits.items():
        bundle = _bundle_path(settings, audit)
        read = progress_of(audit, progress) if isinstance(audit, Path) else None
        try:
            text = _read_bundle(bundle)
            key = trusted.key_for(text) if trusted else None
            verifier = key or chosen
            if verifier is None:
                raise ValueError("nothing is trusted")
            verified = verify(text, audit, verifier, demands, progress=read)
            if identity or key:
                verified = _judged(verified, bundle, settings, demands, identity, key)
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
        if key and key.revoked:
            log.warning(
                "policy audit: revoked key",
                f"{name} was signed with the trusted key {key.name!r}, which is revoked; the "
                "issuer's token proves that it was signed before.",
            )
        answer.verified[name] = verified
        result = _verified_result(name, verified, verifier, bundle, paths)
        answer.results.append(result)
        with_key = result.get("key-fingerprint", result["algorithm"])
        if verified.trusted_key:
            with_key = f"the trusted key {verified.trusted_key!r} ({with_key})"
        run = f"; its run: {PROVED if verified.identity_proved else CLAIMED}"
        has_run = verified.statement is not None and verified.statement.predicate.run is not None
        log.info(
            f"verified {name}: {result['audit-digest']}, signed with {with_key}"
            + (run if has_run else "")
        )
    return answer


def _trusted_keys(settings: VerifySettings) -> "Trusted | None":
    if settings.trusted_keys is None:
        return None
    from signer.verify.trusted import read

    return read(settings.trusted_keys)


def _identity_demands(
    settings: VerifySettings, trusted: "Trusted | None"
) -> "IdentityDemands | None":
    issuer = trusted.issuer if trusted else None
    if issuer is None and settings.issuer_keys is None and settings.signing_policy is None:
        return None
    from signer.verify.identity import demands_of

    return demands_of(settings, issuer)


def _judged(
    verified: Verified,
    bundle: Path,
    settings: VerifySettings,
    demands: Demands,
    identity: "IdentityDemands | None",
    key: "TrustedKey | None",
) -> Verified:
    """What was verified, once identity, policy and the trusted key's limits hold too."""
    proved = None
    if verified.statement is None:
        if settings.issuer_keys or settings.signing_policy:
            raise ValueError("settings let another kind through where an identity is asked for")
    elif identity is not None:
        from signer.verify.identity import check_identity

        name = bundle.name.removesuffix(".sigstore.json")
        answer = check_identity(
            verified.statement, bundle.with_name(f"{name}.identity.jwt"), identity, key
        )
        proved = answer.proved
        verified = replace(verified, identity_proved=proved is not None, allowed_by=answer.rule)
    if key is not None:
        from signer.verify.trusted import check_limits, names_repository

        # Not by the environment, where who has stolen the key may have a say.
        policy_said = "signing-policy" in settings.outright
        expected = demands.expect if "expect" in settings.outright else None
        run_asked = policy_said or names_repository(expected, demands.own_repository)
        check_limits(key, verified, proved, run_asked=run_asked)
        verified = replace(verified, trusted_key=key.name)
    return verified


def _verified_result(
    name: str, verified: Verified, verifier: Verifier, bundle: Path, paths: JobPaths
) -> Result:
    result: Result = {
        "audit-file": name,
        "verified": True,
        "reason": "verified",
        "message": f"{name} is what was signed{_by(verified)}",
        "kind": verified.kind,
        "signed-audit-file": paths.shown(bundle),
        "audit-digest": f"sha256:{verified.sha256.hex()}",
        "algorithm": verifier.algorithm,
    }
    if verifier.public_key:
        result["key-fingerprint"] = verifier.public_key.fingerprint
    if verified.trusted_key:
        result["trusted-key"] = verified.trusted_key
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
            "identity": "proved" if verified.identity_proved else "claimed",
        }
        if verified.allowed_by:
            result["signing-policy-rule"] = verified.allowed_by
        if signing.key_created:
            result["key-created"] = signing.key_created
    return result


def _by(verified: Verified) -> str:
    return f", by the trusted key {verified.trusted_key!r}" if verified.trusted_key else ""


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
    files = find_files(others, settings, log) if others else []
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


def _open_verifier(settings: VerifySettings, host: Host) -> Verifier:
    if settings.public_key is not None:
        key = read_public_key(settings.public_key)
        return PublicKeyVerifier(key, choose_algorithm(settings.algorithm, key.spec))
    chosen = "hmac" if settings.hmac else "sha256" if settings.integrity_only else settings.provider
    trusting = settings.model_copy(
        update={"provider": chosen, "minimum_assurance": Assurance.DIGEST}
    )
    return open_provider(trusting, host, create_keys=False)


def _warn_of_near_key(
    settings: VerifySettings, audits: Mapping[str, Path | bytes], log: Log
) -> None:
    path = settings.public_key or settings.trusted_keys
    if path is None:
        return
    folder = _folder(path)
    if any(_folder(_bundle_path(settings, audit)) == folder for audit in audits.values()):
        log.warning(
            "policy audit: key beside the signed audit",
            f"{path} lies in the same folder as the signed audit: who could forge "
            "the one could replace the other. Trust a key that came on another way.",
        )


def _folder(path: Path) -> str:
    # Path.resolve raises where links go in circles.
    return os.path.dirname(os.path.realpath(path))


def _bundle_path(settings: VerifySettings, audit: Path | bytes) -> Path:
    if settings.bundle is not None:
        return settings.bundle
    if isinstance(audit, bytes):
        raise ValueError("a digest needs a bundle")
    return audit.with_name(f"{audit.name}.sigstore.json")


def _read_bundle(path: Path) -> bytes:
    try:
        return read_small_file(path, MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise VerificationError(
            "bundle-not-found",
            f"the signed audit {path} cannot be read: {error.strerror}",
            fix="name it with bundle (--bundle), or put it beside the audit file.",
        ) from error
