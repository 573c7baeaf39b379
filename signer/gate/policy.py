"""The signing policy: which runs may sign, and with what. Default deny.

Claim names are GitHub's own (GitHub Docs, "OpenID Connect reference", "OIDC token claims").
A rule that can never match is an error, because somebody believes that it protects something.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, model_validator

from signer import strict_yaml
from signer.assurance import Assurance, strongest_of
from signer.crypto.algorithms import ALGORITHMS, Scheme
from signer.errors import GateError, UsageError
from signer.gate import possible
from signer.gate.values import (
    Algorithms,
    Boolean,
    Dangers,
    Duration,
    Patterns,
    Providers,
    Size,
)
from signer.small_files import read_small_file
from signer.strict_model import Name, StrictModel, Version, told

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
MAX_BYTES = 1 << 16
MAX_RULES = 100

_NOT_IN_ENVIRONMENT = ("job_workflow_ref", "environment", "repository_visibility")
_STRONGEST_OF_SCHEME = {
    Scheme.HMAC: Assurance.SHARED_SECRET,
    Scheme.HASH: Assurance.DIGEST,
}
_WITHOUT_AGE = ("hmac", "sha256")


class Runs(StrictModel):
    """Which runs: every claim that is named must match one of its patterns."""

    repository: Patterns | None = None
    repository_id: Patterns | None = None
    repository_owner_id: Patterns | None = None
    ref: Patterns | None = None
    ref_protected: Patterns | None = None
    workflow_ref: Patterns | None = None
    job_workflow_ref: Patterns | None = None
    event_name: Patterns | None = None
    environment: Patterns | None = None
    actor: Patterns | None = None
    runner_environment: Patterns | None = None
    repository_visibility: Patterns | None = None

    def named(self) -> dict[str, tuple[str, ...]]:
        """The claims that are named, and the patterns of each."""
        return {name: value for name in CLAIMS if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _can_match(self) -> "Runs":
        possible.require_runs(self.named())
        return self


CLAIMS = tuple(Runs.model_fields)


class MaySignWith(StrictModel):
    """With what those runs may sign; what is not named is not limited, except plain signatures."""

    provider: Providers
    key: Patterns | None = None
    algorithm: Algorithms | None = None
    minimum_assurance: Assurance = Assurance.DIGEST
    max_key_age: Duration | None = None
    max_audit_file: Size | None = None
    plain_signature: Boolean = False

    @model_validator(mode="after")
    def _can_match(self) -> "MaySignWith":
        if self.max_key_age == timedelta(0):
            raise ValueError("can never match: no key is younger than max_key_age, which is 0")
        if self.max_audit_file == 0:
            raise ValueError(
                "can never match: an empty audit file is refused, and max_audit_file is 0"
            )
        for name in self.algorithm or ():
            _require_covered(
                name,
                _STRONGEST_OF_SCHEME.get(ALGORITHMS[name].scheme, Assurance.MANAGED_KEY),
                self.minimum_assurance,
            )
        for provider in self.provider:
            _require_covered(provider, strongest_of(provider), self.minimum_assurance)
            if self.max_key_age is not None and provider in _WITHOUT_AGE:
                raise ValueError(
                    f"can never match: nothing is known of the age of what {provider} signs with, "
                    "and max_key_age asks for it"
                )
        possible.require_algorithms(self.provider, self.algorithm or ())
        possible.require_key(self.provider, self.key or ())
        return self


class Rule(StrictModel):
    """Who may sign with what."""

    name: Name
    runs: Runs
    may_sign_with: MaySignWith
    allow_dangerous: Dangers = ()

    @model_validator(mode="after")
    def _can_match(self) -> "Rule":
        asked = self.runs.event_name or ()
        if asked == ("pull_request_target",) and "pull_request_target" not in self.allow_dangerous:
            raise ValueError(
                "can never match: pull_request_target runs are refused unless allow_dangerous "
                "names them"
            )
        if (
            self.runs.runner_environment == ("self-hosted",)
            and self.runs.repository_visibility == ("public",)
            and "self_hosted_in_public" not in self.allow_dangerous
        ):
            raise ValueError(
                "can never match: self-hosted runners in public repositories are refused unless "
                "allow_dangerous names self_hosted_in_public"
            )
        return self


class SigningPolicy(StrictModel):
    """The whole policy: the first rule that matches allows, and without one nothing does."""

    version: Version
    issuer: str = GITHUB_ISSUER
    identity: Literal["token", "environment"] = "token"
    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=MAX_RULES)]

    @model_validator(mode="after")
    def _consistent(self) -> "SigningPolicy":
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" or not parts.netloc or parts.query or parts.fragment:
            raise ValueError(f"issuer must be an https URL, not {self.issuer!r}")
        if self.issuer.endswith("/"):
            raise ValueError(f"issuer must not end with /: no token says so ({self.issuer!r})")
        names: set[str] = set()
        earlier: list[tuple[Any, ...]] = []
        for rule in self.rules:
            if rule.name in names:
                raise ValueError(f"two rules are called {rule.name!r}")
            names.add(rule.name)
            same = (rule.runs, rule.may_sign_with, rule.allow_dangerous)
            if same in earlier:
                raise ValueError(f"rule {rule.name!r} can never decide: an earlier one says it all")
            earlier.append(same)
            hidden = rule.runs.named().keys() & set(_NOT_IN_ENVIRONMENT)
            if self.identity == "environment" and hidden:
                raise ValueError(
                    f"rule {rule.name!r} can never match: with identity: environment nothing is "
                    f"known of {', '.join(sorted(hidden))}"
                )
        return self


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy and the file it came from.

    Attributes:
        policy: what it says.
        sha256: the SHA-256 of its bytes, hex.
        path: where it was read.
    """

    policy: SigningPolicy
    sha256: str
    path: Path


def load(path: Path, *, sha256: str | None = None) -> PolicyFile:
    """Read a signing policy.

    Args:
        path: the YAML file.
        sha256: the digest that pins it, hex; None where it is not pinned.

    Raises:
        UsageError: it cannot be read, is not YAML, or not as the schema says; all its mistakes
            are named at once.
        GateError: ``policy-not-pinned-one``: its digest is another one than the pin.
    """
    try:
        content = read_small_file(path, MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "policy-not-found",
            f"the signing policy {path} cannot be read: {error.strerror}",
            fix="check the path given as signing-policy.",
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise GateError(
            "policy-not-pinned-one",
            f"the signing policy {path} has the SHA-256 {digest}, and {sha256} is pinned",
            fix="find out who changed the policy; if it is right, pin its new digest.",
        )
    document = _document(content, path)
    try:
        policy = SigningPolicy.model_validate(document)
    except ValidationError as error:
        items: list[dict[str, Any]] = [dict(item) for item in error.errors(include_url=False)]
        # Where every rule is wrong, pydantic says as well that there is none.
        of_rules = [item for item in items if item["loc"] != ("rules",)]
        found = [told(item, _fields_at(item["loc"])) for item in of_rules or items]
        raise UsageError(
            "policy-invalid",
            f"the signing policy {path} is not valid: " + "; ".join(found[:20]),
            fix="mend it; docs/gate.md explains each field.",
        ) from None
    return PolicyFile(policy, digest, path)


def _document(content: bytes, path: Path) -> Any:
    if len(content) > MAX_BYTES:
        raise UsageError(
            "policy-too-large",
            f"the signing policy {path} has more than {MAX_BYTES} bytes",
            fix="make it smaller: a glob or a list may say the same.",
        )
    try:
        return strict_yaml.load(content)
    except strict_yaml.PlainYamlError as error:
        raise UsageError(
            "policy-not-yaml",
            f"{path}{error.place}: the signing policy is not plain YAML: {error}",
            fix="mend that line; docs/gate.md shows the shape.",
        ) from None


def _require_covered(what: str, strongest: Assurance, minimum: Assurance) -> None:
    if not strongest.covers(minimum):
        raise ValueError(
            f"can never match: {what} gives {strongest} at most, and minimum_assurance is {minimum}"
        )


def _fields_at(place: tuple[Any, ...]) -> list[str]:
    holder = place[-2] if len(place) > 1 else None
    models: dict[Any, type[BaseModel]] = {"runs": Runs, "may_sign_with": MaySignWith}
    model = models.get(holder, Rule if isinstance(holder, int) else SigningPolicy)
    return list(model.model_fields)
