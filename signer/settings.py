"""Inputs, environment and options as pydantic models.

One setting has one name. ``audit-file`` is an input in ``action.yml``, ``POLICY_AUDIT_FILE`` in
the environment and ``--audit-file`` on the command line. What is said outright (input or
option) wins over the environment, and an empty value is an unset one. Secrets come from the
environment only.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretBytes,
    ValidationError,
)

from signer.assurance import Assurance
from signer.audit.formats import AuditFormat
from signer.audit.statement import Run
from signer.crypto.algorithms import algorithm_named
from signer.errors import SettingsError, UsageError
from signer.providers.aws import reference as aws
from signer.providers.aws import settings as aws_settings
from signer.providers.azure import settings as azure_settings

SIGNING_KEY = "POLICY_SIGNING_KEY"
PROVIDER = "POLICY_SIGNING_PROVIDER"

# The settings whose variable is not POLICY_ + the name (the guide's names).
_VARIABLES = {"provider": PROVIDER}

# What a workflow may ask of a later version. To ignore one would be to sign with less
# protection, or to keep less, than was asked for.
NOT_YET = ("archive", "trusted-keys")

_MANAGED = (*aws_settings.PROVIDERS, *azure_settings.PROVIDERS)
_IN_A_KMS = ("kms", *_MANAGED)

RUN_FIELDS = tuple(Run.model_fields)

_DURATION = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError("must be true or false")
        return value.lower() == "true"
    return value


def _lines(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(line.strip() for line in value.split("\n") if line.strip())
    return value


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise ValueError("must be a number and a unit, such as 90m, 24h or 30d")
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    return value


def _expectations(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    expected: dict[str, str] = {}
    for line in _lines(value):
        name, equals, wanted = line.partition("=")
        if not equals or name not in RUN_FIELDS:
            raise ValueError(
                f"must be NAME=VALUE lines, where NAME is one of {_either(RUN_FIELDS)}"
            )
        if expected.setdefault(name, wanted) != wanted:
            raise ValueError(f"expects two different values of {name}")
    return expected


def _algorithm(value: Any) -> Any:
    if isinstance(value, str):
        try:
            algorithm_named(value)
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.fix}") from None
    return value


def _shown_path(value: Path) -> Path:
    if any(character < " " or character == "\x7f" for character in str(value)):
        raise ValueError("must not have control characters, which no log can show")
    return value


def _aws_key(value: str) -> str:
    return _understood(aws.parse_key, value)


def _aws_role(value: str) -> str:
    return _understood(aws.parse_role, value)


def _understood(parse: Callable[[str], object], value: str) -> str:
    try:
        parse(value)
    except UsageError as error:
        raise ValueError(f"{error.message}; {error.fix}") from None
    return value


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]
AlgorithmName = Annotated[str, BeforeValidator(_algorithm)]


def _kebab(field: str) -> str:
    return field.replace("_", "-")


class Settings(BaseModel):
    """What signing and verifying have in common."""

    model_config = ConfigDict(
        alias_generator=_kebab, validate_by_name=True, frozen=True, extra="forbid"
    )

    mode: Literal["sign", "verify", "doctor"] = Field(
        default="sign",
        description="What to do: `sign`, `verify`, or `doctor`, which checks, without signing, "
        "whether signing would work.",
    )
    audit_file: Lines = Field(
        min_length=1,
        description="Path of the audit file; several on lines of their own, globs too, "
        "`!` leaves out.",
    )
    if_no_files_found: Literal["error", "warn", "ignore"] = Field(
        default="error",
        description="What to do where a line of `audit-file` matches nothing: "
        "`error`, `warn` or `ignore`.",
    )
    provider: (
        Literal["kms", "aws_kms_sdk", "aws_kms", "azure_kv_sdk", "azure_kv", "hmac", "sha256"]
        | None
    ) = Field(
        default=None,
        description="Who signs: `aws_kms_sdk` (AWS KMS), `aws_kms` (the same through the `aws` "
        "command line), `azure_kv_sdk` (Azure Key Vault, Managed HSM), `azure_kv` (the same "
        "through `az`), `kms` (the embedded software KMS, a simulation), `hmac`, `sha256`; "
        "empty: HMAC-SHA256 where POLICY_SIGNING_KEY is set, else plain SHA-256.",
    )
    kms_key: str = Field(
        default="alias/policy-audit",
        min_length=1,
        description="The embedded KMS: key id or alias; an alias is created on first use.",
    )
    kms_directory: Path | None = Field(
        default=None,
        description="The embedded KMS: the directory it lives in "
        "(default: policy-audit-signer/kms in the user's data directory).",
    )
    aws_kms_key: Annotated[str, AfterValidator(_aws_key)] | None = Field(
        default=None,
        description="AWS KMS: key id, key ARN, `alias/NAME` or alias ARN.",
    )
    aws_region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$",
        description="AWS: the region to ask (default: the ARN's, else AWS_REGION).",
    )
    aws_role_to_assume: Annotated[str, AfterValidator(_aws_role)] | None = Field(
        default=None,
        description="AWS: ARN of the role to assume with this job's OIDC token "
        "(default: the credentials in the environment).",
    )
    aws_audience: str = Field(
        default="sts.amazonaws.com",
        min_length=1,
        description="AWS: the audience of the OIDC token.",
    )
    azure_kv_name: str | None = Field(
        default=None,
        description="Azure Key Vault: the vault's name, its https URL (Managed HSM, sovereign "
        "clouds), or a key's identifier.",
    )
    azure_kv_key: str | None = Field(
        default=None,
        description="Azure Key Vault: the key, `NAME` or `NAME/VERSION`.",
    )
    azure_tenant_id: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z.-]*$",
        description="Azure: the tenant to sign in to with this job's OIDC token.",
    )
    azure_client_id: str | None = Field(
        default=None,
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        description="Azure: the client id of the application (or managed identity) to sign in as.",
    )
    provider_timeout: Annotated[timedelta, BeforeValidator(_duration)] = Field(
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(hours=1),
        description="How long to wait for one answer of AWS or Azure, retries included "
        "(default: 60s).",
    )
    algorithm: AlgorithmName | None = Field(
        default=None,
        description="Signing algorithm under AWS's name, such as `ECDSA_SHA_256`, or Azure's, "
        "such as `ES256`; default: the key's own.",
    )
    minimum_assurance: Assurance = Field(
        default=Assurance.DIGEST,
        description="Refuse to sign, or to accept, below `digest`, `shared-secret`, "
        "`software-key` or `managed-key`.",
    )
    public_key: Path | None = Field(
        default=None,
        description="Public key (PEM): verifying, the key that is trusted; signing with AWS "
        "or Azure, the key's own, so that it is not asked for.",
    )
    signing_policy: Path | None = Field(
        default=None,
        description="The gate's rules (YAML): which runs may sign with what; "
        "verifying: the auditor's own copy.",
    )
    show_summary: Boolean = Field(default=True, description="Write a step summary.")
    signing_key: SecretBytes | None = Field(default=None, exclude=True, repr=False)


class SignSettings(Settings):
    """How to sign."""

    audit_format: AuditFormat | None = Field(
        default=None,
        description="`jsonl`, `json`, `sarif` or `bytes`; default by the file's suffix.",
    )
    event_pointer: str | None = Field(
        default=None,
        description="JSON Pointer (RFC 6901) to the array of events in a `json` file.",
    )
    output_directory: Annotated[Path, AfterValidator(_shown_path)] | None = Field(
        default=None, description="Where the results go (default: beside the audit file)."
    )
    overwrite: Boolean = Field(
        default=False, description="Replace an existing signed audit (`true` or `false`)."
    )
    plain_signature: Boolean = Field(
        default=False,
        description="Also sign the file's exact bytes, as NAME.sig "
        "(`true` or `false`; read docs/plain-signatures.md first).",
    )
    signing_policy_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        default=None, description="SHA-256 (hex) that pins the signing policy."
    )
    identity_evidence: Boolean = Field(
        default=True,
        description="Keep the run's token as NAME.identity.jwt, evidence for auditors "
        "(`true` or `false`).",
    )
    if_unauthorized: Literal["error", "skip"] = Field(
        default="error",
        description="What to do in a fork's or Dependabot's run, which has no token and no "
        "secrets: `error`, or `skip` (nothing is signed).",
    )


class DoctorSettings(SignSettings):
    """What is examined: the settings of signing; the audit file may be yet to come."""

    audit_file: Lines = ()


class VerifySettings(Settings):
    """What to verify and what is trusted for it."""

    bundle: Path | None = Field(
        default=None,
        description="Verifying: the signed audit (default: NAME.sigstore.json beside the file).",
    )
    hmac: Boolean = Field(
        default=False, description="Verifying: trust the HMAC key in POLICY_SIGNING_KEY."
    )
    integrity_only: Boolean = Field(
        default=False,
        description="Verifying: accept a plain SHA-256 record, "
        "which proves integrity and no origin.",
    )
    type: Literal["policy-audit", "any"] = Field(
        default="policy-audit",
        description="Verifying: `any` takes other attestations and message signatures too.",
    )
    expect: Annotated[dict[str, str], BeforeValidator(_expectations)] = Field(
        default_factory=dict,
        description="Verifying: NAME=VALUE lines that the run in the statement must have, "
        "such as repository_id=123 (default in a workflow: this repository; * is any).",
    )
    issuer_keys: Path | None = Field(
        default=None,
        description="Verifying: the OIDC issuer's public keys, as `signer keys snapshot-issuer` "
        "keeps them; the run's identity must then be proved by NAME.identity.jwt.",
    )
    max_age: Annotated[timedelta, BeforeValidator(_duration)] | None = Field(
        default=None, description="Verifying: refuse a signed audit older than this, such as 24h."
    )


@dataclass(frozen=True, slots=True)
class Given:
    """A raw value and the name the user gave it under.

    Attributes:
        label: the input's, option's or variable's name.
        value: as given.
        outright: whether an input or option says it, and not the environment alone.
        exact: the lines of a value, where they are not to be trimmed.
    """

    label: str
    value: str
    outright: bool = True
    exact: tuple[str, ...] | None = None


Model = TypeVar("Model", bound=Settings)


def fields_of(model: type[Settings]) -> dict[str, str]:
    """The public settings of a model: kebab-case name to description."""
    return {
        _kebab(name): field.description or ""
        for name, field in model.model_fields.items()
        if name != "signing_key"
    }


def default_kms_directory(environ: Mapping[str, str]) -> Path:
    """Where the embedded KMS lives by default (XDG Base Directory Specification).

    Raises:
        UsageError: ``setting-missing``: this user has no home directory.
    """
    data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or "~", ".local/share"))
    try:
        return Path(data).expanduser() / "policy-audit-signer" / "kms"
    except RuntimeError as error:
        raise UsageError(
            "setting-missing",
            f"kms-directory is not set, and {data!r} leads to no home directory",
            fix="set kms-directory (or POLICY_KMS_DIRECTORY).",
        ) from error


def is_flag(model: type[Settings], name: str) -> bool:
    """Whether a setting is either true or false."""
    return model.model_fields[name.replace("-", "_")].annotation is bool


def variable_for(name: str) -> str:
    """The environment variable of a setting."""
    return _VARIABLES.get(name) or "POLICY_" + name.replace("-", "_").upper()


def load(model: type[Model], said: Mapping[str, Given], environ: Mapping[str, str]) -> Model:
    """Settings from what was said outright and from the environment.

    Args:
        model: SignSettings or VerifySettings.
        said: kebab-case name to the input's or option's value.
        environ: the process environment.

    Raises:
        SettingsError: with every problem there is, not only the first.
    """
    names = fields_of(model)
    given: dict[str, Given] = {}
    for name in names:
        if name in said and said[name].value.strip():
            given[name] = _trimmed(name, said[name])
        elif value := environ.get(variable_for(name), "").strip():
            given[name] = Given(variable_for(name), value, outright=False)
    problems = _unsupported(said, environ)
    problems += _key_problems(given, environ)
    signing = issubclass(model, SignSettings)
    problems += aws_settings.problems(given, environ, signing=signing)
    problems += azure_settings.problems(given, environ, signing=signing)
    problems += _sign_conflicts(given) if signing else _trust_problems(given)
    raw: dict[str, Any] = {name: item.exact or item.value for name, item in given.items()}
    if key := environ.get(SIGNING_KEY):
        raw["signing-key"] = key.encode("utf-8", "surrogateescape")
    try:
        settings = model.model_validate(raw)
    except ValidationError as error:
        problems += [_problem(dict(item), given) for item in error.errors(include_url=False)]
    if problems:
        raise SettingsError(problems)
    return settings


def _trimmed(name: str, given: Given) -> Given:
    # Each line of audit-file is trimmed by itself, and a command line's argument not at all.
    return given if name == "audit-file" else replace(given, value=given.value.strip())


def nearest(name: str, names: list[str]) -> str:
    """``; did you mean X?`` where there is something near, else nothing."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _problem(item: dict[str, Any], given: Mapping[str, Given]) -> UsageError:
    name = str(item["loc"][0]) if item["loc"] else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return UsageError(
            "setting-missing",
            f"{name} is not set",
            fix=f"set the input {name}, or {variable_for(name)} in the environment.",
        )
    label = given[name].label if name in given else name
    value = given[name].value if name in given else ""
    return UsageError(
        "setting-invalid",
        f"{label} is {value[:200]!r}: {message[0].lower()}{message[1:]}",
        fix=f"mend {label}; README.md has the table of inputs.",
    )


def _unsupported(said: Mapping[str, Given], environ: Mapping[str, str]) -> list[UsageError]:
    labels = {name: said[name].label for name in NOT_YET if name in said}
    for name in NOT_YET:
        if name not in labels and environ.get(variable_for(name), "").strip():
            labels[name] = variable_for(name)
    return [
        UsageError(
            "setting-not-supported",
            f"{label} is set, but this version has no {name}",
            fix="unset it, or use a version that has it; it is never silently ignored.",
        )
        for name, label in labels.items()
    ]


def _key_problems(given: Mapping[str, Given], environ: Mapping[str, str]) -> list[UsageError]:
    key = environ.get(SIGNING_KEY)
    if key == "":
        return [
            UsageError(
                "secret-empty",
                f"{SIGNING_KEY} is there but empty, as when a workflow names a secret that does "
                "not exist, or that its run may not read",
                fix="create the secret, or take the variable out to sign without one.",
            )
        ]
    wants = [
        item.label
        for name, item in given.items()
        if (name, item.value.lower()) in (("provider", "hmac"), ("hmac", "true"))
    ]
    if wants and key is None:
        return [
            UsageError(
                "secret-missing",
                f"{wants[0]} asks for HMAC-SHA256, but {SIGNING_KEY} is not set",
                fix=f"set {SIGNING_KEY} in the environment, from the platform's secret store.",
            )
        ]
    return []


def _sign_conflicts(given: Mapping[str, Given]) -> list[UsageError]:
    problems = []
    if "signing-policy-sha256" in given and "signing-policy" not in given:
        problems.append(
            _conflict(
                f"{given['signing-policy-sha256'].label} is set, but no signing-policy",
                fix="name the policy that it pins.",
            )
        )
    if "public-key" in given and (
        "provider" not in given or given["provider"].value not in _MANAGED
    ):
        label = given["public-key"].label
        problems.append(
            _conflict(
                f"{label} is set for signing, where only {_either(_MANAGED, 'and')} use it",
                fix=f"take {label} out, or set mode to verify.",
            )
        )
    if "provider" not in given:
        problems += [
            _conflict(
                f"{given[name].label} is set, but no provider is chosen: it would be ignored",
                fix=f"set provider (or {PROVIDER}) to kms, or take {given[name].label} out.",
            )
            for name in ("kms-key", "kms-directory")
            if name in given
        ]
    if pointer := given.get("event-pointer"):
        audit_format = given.get("audit-format")
        if not pointer.value.startswith("/"):
            problems.append(
                _conflict(
                    f"{pointer.label} is {pointer.value!r}, and a JSON Pointer starts with /",
                    fix="write it as in RFC 6901, such as /results.",
                )
            )
        elif audit_format is not None and audit_format.value != AuditFormat.JSON:
            problems.append(
                _conflict(
                    f"{pointer.label} is set, but {audit_format.label} is {audit_format.value!r}",
                    fix="use event-pointer with the format json only.",
                )
            )
    return problems


def _trust_problems(given: Mapping[str, Given]) -> list[UsageError]:
    chosen = [
        given[name].label
        for name in ("public-key", "hmac", "integrity-only")
        if name in given and (name == "public-key" or given[name].value.lower() != "false")
    ]
    if len(chosen) > 1:
        return [
            _conflict(
                f"{_either(chosen, 'and')} are set: it is not clear what is trusted",
                fix="choose exactly one.",
            )
        ]
    provider = given.get("provider")
    if not chosen and provider is not None and not provider.outright:
        return [
            UsageError(
                "trust-missing",
                f"nothing but {provider.label} in the environment says what is trusted, and what "
                "an earlier step can set is not enough",
                fix="set exactly one of public-key, hmac, integrity-only and provider outright, "
                "as an input or option.",
            )
        ]
    if not chosen and (provider is None or provider.value not in _IN_A_KMS):
        return [
            UsageError(
                "trust-missing",
                "nothing says what is trusted",
                fix="set exactly one of public-key (a PEM file you got on another way than the "
                "signed audit), hmac and integrity-only.",
            )
        ]
    return []


def _conflict(message: str, *, fix: str) -> UsageError:
    return UsageError("setting-conflict", message, fix=fix)


def _either(names: Any, word: str = "or") -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else str(last)
