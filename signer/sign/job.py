"""The signing job of the action and of the command line: its log and its results."""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signer.audit.statement import CLAIMED, PROVED, format_time
from signer.github.host import host_of
from signer.github.paths import JobPaths
from signer.github.run import run_of
from signer.job_files import Result, find_files
from signer.log import Log
from signer.open_provider import open_provider
from signer.progress import Progress
from signer.providers import Provider
from signer.providers.host import Host
from signer.settings.models import SignSettings
from signer.sign.signing import SignedAudit, output_folder, sign_audit_files

if TYPE_CHECKING:  # only runs with a signing policy load the gate
    from signer.gate.decide import Gate

_ROTATION = {
    "kms": "signer kms rotate-key",
    "aws": "make a new key and point the alias at it (docs/aws.md, Rotation)",
    "azure": "az keyvault key rotate (docs/azure.md, Which key)",
}

# What actions/upload-artifact's glob gives a meaning to (actions/toolkit, packages/glob).
_PATTERN = re.compile(r"[*?\[\\]|^[!#~]")


@dataclass(frozen=True, slots=True)
class Signed:
    """The end of a signing job: what was signed, and what the outputs say of it.

    Attributes:
        key_age: a warning that the key will soon be older than the signing policy allows.
    """

    audits: list[SignedAudit]
    provider: Provider
    results: list[Result]
    files: list[str]
    key_age: str | None = None

    def fields(self) -> dict[str, Any]:
        """The outputs: those of the first file, ``results`` of all, ``files`` to keep."""
        first = {name: value for name, value in self.results[0].items() if name != "audit-file"}
        return {**first, "results": self.results, "files": self.files}


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
    files = find_files(settings.audit_file, settings, log)
    if not files:
        return None
    gate = None
    if settings.signing_policy is not None:
        from signer.gate.decide import open_gate

        gate = open_gate(settings, environ)
    for path in files:  # before the first use of a key, which may make it
        paths.check_output(output_folder(path, settings) / path.name)
    with ExitStack() as cleanup:
        return _sign(
            files,
            settings,
            host_of(environ, log, cleanup),
            log,
            paths,
            gate=gate,
            count_decisions=count_decisions,
            progress=progress,
        )


def _sign(
    files: Sequence[Path],
    settings: SignSettings,
    host: Host,
    log: Log,
    paths: JobPaths,
    *,
    gate: "Gate | None",
    count_decisions: bool,
    progress: Progress | None,
) -> Signed:
    dated = gate is not None and gate.asks_key_age(settings.provider)
    provider = open_provider(settings, host, dated=dated)
    _announce(provider, log)
    run = run_of(host.environ)
    audits = sign_audit_files(
        files,
        settings,
        provider,
        run=run,
        workspace=paths.workspace,
        gate=gate,
        count_decisions=count_decisions,
        progress=progress,
    )
    results = [_signed_result(one, provider, paths) for one in audits]
    for one, result in zip(audits, results, strict=True):
        log.info(
            f"signed {one.subject}: {_events(one.audit.event_count)}, {result['audit-digest']} "
            f"-> {result['signed-audit-file']}"
        )
        if one.permit:
            log.info(
                f"  allowed by the rule {one.permit.rule.name} of the signing policy "
                f"sha256:{one.permit.policy_sha256}; identity: "
                f"{PROVED if one.permit.proved else CLAIMED}"
            )
    key_age = _key_age(audits, provider)
    if key_age:
        log.warning("policy audit: key age", key_age)
    kept = [[one.audit.path, *reversed(one.targets.paths())] for one in audits]
    shown = [paths.shown(path) for few in kept for path in few]
    if patterns := [path for path in shown if _PATTERN.search(path)] if run else []:
        log.warning(
            "policy audit: names that are patterns",
            f"actions/upload-artifact takes {patterns[0]} for a pattern, and may leave the file "
            "out: copy the files into a folder and upload that, or rename them",
        )
    return Signed(audits, provider, results, shown, key_age)


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _key_age(audits: Sequence[SignedAudit], provider: Provider) -> str | None:
    found = [one.permit.key_age_warning for one in audits if one.permit]
    said = next((text for text in found if text), None)
    if said is None:
        return None
    advice = _ROTATION[provider.name.split("_")[0]]
    return f"the key {provider.key_id} is {said}; rotate it: {advice}"


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
    if one.permit and one.permit.key_created:
        result["key-created"] = format_time(one.permit.key_created)
    if provider.public_key:
        result["key-fingerprint"] = provider.public_key.fingerprint
    if one.targets.public_key:
        result["public-key-file"] = paths.shown(one.targets.public_key)
    if one.targets.plain_signature:
        result["plain-signature-file"] = paths.shown(one.targets.plain_signature)
    if one.targets.identity:
        result["identity-file"] = paths.shown(one.targets.identity)
    if one.permit:
        result["signing-policy-rule"] = one.permit.rule.name
    return result
