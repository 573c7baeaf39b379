"""The in-toto Statement about an audit file: the very bytes that are signed.

Format: in-toto Attestation Framework, Statement v1, with the predicate
``urn:policy-audit:attestation:v1`` (docs/signed-audit.md; JSON Schema beside it).
"""

import json
import secrets
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from signer.assurance import Assurance
from signer.audit.formats import AuditFormat
from signer.errors import UsageError

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:policy-audit:attestation:v1"

# AWS KMS signs Ed25519 only over the message itself, of at most 4,096 bytes (Sign, MessageType
# RAW); the rest is left for the DSSE encoding around the statement.
MAX_STATEMENT_BYTES = 3_500

# How an identity is called in every output, by whether the issuer's own token proves it.
PROVED: Final = "proved by the issuer's token"
NO_CLAIMS: Final = frozenset({"server_url", "job"})
"""The fields of a run that GitHub's token has no claim for: nothing proves them."""
CLAIMED: Final = "the word of whoever holds the key, not proved"

_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Sha256Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Utc = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        frozen=True,
        extra="ignore",
        strict=True,
        defer_build=True,  # of its ten models only the statement is ever validated
    )


class Digest(_Model):
    """A DigestSet that has at least SHA-256."""

    sha256: Sha256Hex


class AuditFileFacts(_Model):
    """What the audit file is, beyond the digest that the subject carries."""

    format: Annotated[AuditFormat, Field(strict=False)]
    event_pointer: str | None = None
    size: Annotated[int, Field(ge=1)]
    event_count: Annotated[int, Field(ge=0)]
    merkle_root: Sha256Hex


class Signing(_Model):
    """When and with what the statement was signed."""

    time: Utc
    provider: str
    assurance: Annotated[Assurance, Field(strict=False)]
    algorithm: str
    key_id: str
    key_fingerprint: str | None = None
    key_created: Utc | None = Field(
        default=None,
        description="when the key was made, in the words of its keeper; where a rule's "
        "max_key_age asked for it",
    )
    plain_signature: bool | None = Field(
        default=None, description="true where the file's own bytes were signed as well"
    )
    simulation: bool | None = Field(
        default=None, description="true where the key lives in the embedded software KMS"
    )


class Run(_Model):
    """The GitHub run the statement was made in, under GitHub's claim names in camel case."""

    server_url: str | None = None
    repository: str | None = None
    repository_id: str | None = None
    repository_owner: str | None = None
    repository_owner_id: str | None = None
    ref: str | None = None
    ref_protected: str | None = None
    sha: str | None = None
    workflow_ref: str | None = None
    workflow_sha: str | None = None
    event_name: str | None = None
    actor: str | None = None
    actor_id: str | None = None
    run_id: str | None = None
    run_number: str | None = None
    run_attempt: str | None = None
    job: str | None = None
    runner_environment: str | None = None


class Identity(_Model):
    """What was shown for the run: ``environment`` means the runner's variables, unproved."""

    source: str
    verified: bool = Field(description="whether the gate checked it before it signed")
    issuer: str | None = None
    claims: dict[str, str] | None = Field(
        default=None, description="the claims that decided, under GitHub's names"
    )
    token_sha256: Sha256Hex | None = Field(
        default=None, description="of the token in NAME.identity.jwt"
    )


class SigningPolicyFacts(_Model):
    """The signing policy that allowed this signature, and its rule."""

    digest: Digest
    rule: str
    key: str | None = Field(
        default=None, description="the key as it was asked for, such as an alias"
    )


class Predicate(_Model):
    """The predicate ``urn:policy-audit:attestation:v1``."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    signer_version: str
    audit_file: AuditFileFacts
    signing: Signing
    run: Run | None = None
    identity: Identity | None = None
    signing_policy: SigningPolicyFacts | None = None


class Subject(_Model):
    """A ResourceDescriptor: the audit file's path in the workspace, and its digest."""

    name: str
    digest: Digest


class Statement(_Model):
    """An in-toto Statement v1 with exactly one subject."""

    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[tuple[Subject], Field(strict=False)]
    predicate_type: Literal["urn:policy-audit:attestation:v1"]
    predicate: Predicate

    def encode(self) -> bytes:
        """The statement as compact UTF-8 JSON.

        Raises:
            UsageError: it is larger than ``MAX_STATEMENT_BYTES``, or a value is not UTF-8.
        """
        fields = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            raise UsageError(
                "statement-not-utf8",
                "a path or an environment value that goes into the statement is not UTF-8",
                fix="rename the audit file, or mend the GITHUB_* variable.",
            ) from None
        if len(encoded) > MAX_STATEMENT_BYTES:
            longest = max(_texts(fields), key=len)
            raise UsageError(
                "statement-too-large",
                f"the statement would be {len(encoded)} bytes, of {MAX_STATEMENT_BYTES} at most; "
                f"its longest value starts with {longest[:60]!r}",
                fix="use a shorter path, branch or workflow name.",
            )
        return encoded


def new_id() -> str:
    """A random identifier: 128 bits as 32 hex digits."""
    return secrets.token_hex(16)


def format_time(moment: datetime) -> str:
    """An aware UTC datetime as RFC 3339 with whole seconds."""
    return moment.strftime(_TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """The aware UTC datetime of what ``format_time`` wrote.

    Raises:
        ValueError: no such moment exists.
    """
    return datetime.fromisoformat(text)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [str(value)]
