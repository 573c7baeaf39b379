"""All checks, in one list: each says what it found, and none stops those that can do without it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from signer.assurance import strongest_of
from signer.doctor.age import key_age
from signer.doctor.check import Check, fail, ok, skip
from signer.doctor.files import audit_files, outputs
from signer.doctor.findings import Findings
from signer.doctor.gate import decide, load_policy
from signer.doctor.identity import ask_token, clock
from signer.doctor.runner import runner_checks
from signer.errors import SettingsError, SignerError
from signer.github.host import host_of
from signer.github.masking import secrets_in, secrets_of
from signer.github.paths import JobPaths
from signer.log import Log
from signer.open_provider import provider_name, require_assurance
from signer.providers.host import Host
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import DoctorSettings, SignSettings
from signer.sign.stating import asked_key
from signer.sign.unauthorized import SKIPPED, may_be_skipped

_ISSUER = "the token's issuer"
_AFTER_SETTINGS = (
    "audit-files", "outputs", "signing-policy", "signing-rule", "key", "key-age", "assurance"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found.

    Attributes:
        checks: in the order of the table, without any secret in them.
        show_summary: whether a step summary is wanted.
    """

    checks: list[Check]
    show_summary: bool = True


def examine(
    said: Mapping[str, Given], environ: Mapping[str, str], log: Log, paths: JobPaths
) -> Examination:
    """Look at everything that signing with these settings would need, and sign nothing.

    Args:
        said: what inputs or options say.
        environ: the environment.
        log: where retries and request ids go.
        paths: the job's folders.
    """
    if may_be_skipped(said, environ):
        return Examination([skip("settings", SKIPPED[1])])
    secrets = secrets_in(environ)

    def mask(secret: str) -> None:
        secrets.extend(secrets_of(secret))
        log.mask(secret)

    show_summary = True
    try:
        settings = load(DoctorSettings, said, environ)
    except SettingsError as error:
        checks = [fail("settings", problem) for problem in error.problems]
        checks += [*runner_checks(environ), *_without_settings(environ)]
    else:
        show_summary = settings.show_summary
        with ExitStack() as cleanup:
            host = replace(host_of(environ, log, cleanup), mask=mask)
            checks = [_settings(settings), *runner_checks(environ)]
            checks += _look(settings, host, log, paths)
    return Examination([check.redacted(secrets) for check in checks], show_summary)


def _without_settings(environ: Mapping[str, str]) -> list[Check]:
    token = ask_token(environ, None, [])
    skipped = [skip(name, "the settings are not valid") for name in _AFTER_SETTINGS]
    return [token.check, clock(token.ahead, _ISSUER), *skipped]


def _settings(settings: DoctorSettings) -> Check:
    name = provider_name(settings)
    told = asked_key(settings, name)
    return ok("settings", f"provider {name}{f', key {told}' if told else ''}")


def _look(settings: DoctorSettings, host: Host, log: Log, paths: JobPaths) -> list[Check]:
    sizes, files_check = audit_files(settings, log)
    gate, policy_check = load_policy(settings, host.environ)
    policy = gate.file.policy if gate else None
    issuer = policy.issuer if policy and policy.identity == "token" else None
    token = ask_token(host.environ, issuer, _needing_token(settings, issuer))
    found = Findings(dated=gate is not None and gate.asks_key_age(settings.provider))
    try:
        _looker(settings)(settings, host, found)
    except SignerError as error:  # what nobody foresaw of a key must not hide the rest
        found.add(fail("key", error))
    rule, rule_check = decide(
        gate,
        token.claims if issuer else None,
        found.provider,
        settings,
        max(sizes.values(), default=None),
        found.created,
    )
    limit = rule.may_sign_with.max_key_age if rule else None
    with_key = provider_name(settings) not in ("hmac", "sha256")
    if found.provider is not None:
        with_key = found.provider.public_key is not None
    ahead, whose = (found.ahead, found.clock) if token.ahead is None else (token.ahead, _ISSUER)
    return [
        files_check,
        outputs(list(sizes), settings, paths, public_key=with_key),
        token.check,
        clock(ahead, whose),
        policy_check,
        rule_check,
        *found.checks,
        key_age(found.created, limit, found.no_age),
        _assurance(found, settings),
    ]


def _needing_token(settings: SignSettings, issuer: str | None) -> list[str]:
    """The settings without a way round the job's token; signing in to Azure has others."""
    needs = {
        "signing-policy": issuer is not None,
        "aws-role-to-assume": settings.aws_role_to_assume is not None,
    }
    return [name for name, needed in needs.items() if needed]


def _looker(settings: SignSettings) -> Callable[[SignSettings, Host, Findings], None]:
    """Who looks at keys of this kind; nothing that another kind needs is imported."""
    name = provider_name(settings)
    if name.startswith("aws"):
        from signer.doctor import aws

        return aws.look_at_key
    if name.startswith("azure"):
        from signer.doctor import azure

        return azure.look_at_key
    from signer.doctor import local

    return local.look_at_kms if name == "kms" else local.look_at_secret


def _assurance(found: Findings, settings: SignSettings) -> Check:
    """The check ``assurance``, which a key that is not there yet can fail already."""
    name = provider_name(settings)
    known = found.provider.assurance if found.provider else None
    try:
        require_assurance(name, known or strongest_of(name), settings)
    except SignerError as error:
        return fail("assurance", error)
    return ok("assurance", known) if known else skip("assurance", "there is no key yet: see key")
