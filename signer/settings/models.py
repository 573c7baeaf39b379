"""The settings of each mode, as a workflow, the environment or a command line may give them."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretBytes

from signer.assurance import Assurance
from signer.audit.formats import AuditFormat
from signer.settings.given import kebab
from signer.settings.values import (
    AlgorithmName,
    AwsKey,
    AwsRole,
    Boolean,
    Duration,
    Expectations,
    Lines,
    ShownPath,
)


class Settings(BaseModel):
    """What signing and verifying have in common."""

    model_config = ConfigDict(
        alias_generator=kebab,
        validate_by_name=True,
        frozen=True,
        extra="forbid",
        defer_build=True,  # a run validates the settings of one mode
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
    aws_kms_key: AwsKey | None = Field(
        default=None,
        description="AWS KMS: key id, key ARN, `alias/NAME` or alias ARN.",
    )
    aws_region: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$",
        description="AWS: the region to ask (default: the ARN's, else AWS_REGION).",
    )
    aws_role_to_assume: AwsRole | None = Field(
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
    provider_timeout: Duration = Field(
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
    outright: frozenset[str] = Field(
        default=frozenset(),
        exclude=True,
        description="names of the settings that an input or option says, and not the environment",
    )


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
    output_directory: ShownPath | None = Field(
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
    trusted_keys: Path | None = Field(
        default=None,
        description="Verifying: the auditor's file of public keys with validity windows and "
        "revocations (YAML; docs/verifying.md).",
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
    expect: Expectations = Field(
        default_factory=dict,
        description="Verifying: NAME=VALUE lines that the run in the statement must have, "
        "such as repository_id=123 (default in a workflow: this repository; * is any).",
    )
    issuer_keys: Path | None = Field(
        default=None,
        description="Verifying: the OIDC issuer's public keys, as `signer keys snapshot-issuer` "
        "keeps them; the run's identity must then be proved by NAME.identity.jwt.",
    )
    max_age: Duration | None = Field(
        default=None, description="Verifying: refuse a signed audit older than this, such as 24h."
    )


MODELS: tuple[type[Settings], ...] = (SignSettings, VerifySettings, DoctorSettings)
"""The settings of every mode."""


def fields_of(model: type[Settings]) -> dict[str, str]:
    """The public settings of a model: kebab-case name to description."""
    return {
        kebab(name): field.description or ""
        for name, field in model.model_fields.items()
        if name not in ("signing_key", "outright")
    }


def is_flag(model: type[Settings], name: str) -> bool:
    """Whether a setting is either true or false."""
    return model.model_fields[name.replace("-", "_")].annotation is bool


def default_of(model: type[Settings], name: str) -> str | None:
    """The default as a user would write it; None where there is none, or it depends."""
    default = model.model_fields[name.replace("-", "_")].get_default()
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, str) else None
