"""The trusted keys: the auditor's file of public keys with validity windows and revocations.

A bundle only names one of them. The key, its algorithm and its limits are the auditor's word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    InstanceOf,
    StringConstraints,
    ValidationError,
    model_validator,
)

from signer import strict_yaml
from signer.assurance import Assurance
from signer.crypto.algorithms import choose_algorithm
from signer.crypto.keys import PublicKey
from signer.crypto.verifier import PublicKeyVerifier
from signer.errors import UsageError, VerificationError
from signer.small_files import read_small_file
from signer.strict_model import Name, StrictModel, Version, printable, told

MAX_BYTES = 1 << 18
MAX_KEYS = 1000

_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
_FIX = "mend it; docs/verifying.md (Trusted keys) shows the shape."


def _time(value: Any) -> datetime:
    if not isinstance(value, str) or not re.fullmatch(_TIME, value):
        raise ValueError("must be a time in UTC, such as 2026-01-31T00:00:00Z")
    return datetime.fromisoformat(value)


def _public_key(value: Any) -> PublicKey:
    if not isinstance(value, str):
        raise ValueError("must be a public key in PEM, as a block of text")
    try:
        return PublicKey.from_pem(value.encode())
    except VerificationError as error:
        raise ValueError(f"{error.message}; {error.fix}") from None


def _printable(value: Any) -> Any:
    return printable(value) if isinstance(value, str) else value


Time = Annotated[
    datetime,
    BeforeValidator(_time, json_schema_input_type=Annotated[str, StringConstraints(pattern=_TIME)]),
]
Pem = Annotated[InstanceOf[PublicKey], BeforeValidator(_public_key, json_schema_input_type=str)]
Reason = Annotated[str, Field(min_length=1, max_length=500), BeforeValidator(_printable)]


class Revocation(StrictModel):
    """From when on a key is not to be trusted."""

    at: Time = Field(description="from when on others may have used the key (RFC 3339, UTC)")
    reason: Reason


class KeyEntry(StrictModel):
    """One public key, and what the auditor knows of it."""

    name: Name = Field(description="what answers call the key")
    public_key: Pem = Field(description="PEM, SubjectPublicKeyInfo")
    algorithm: str | None = Field(
        default=None,
        description="the only algorithm it is trusted with, under AWS's or Azure's name; "
        "default: the key's own, for RSA RSASSA_PKCS1_V1_5_SHA_256",
    )
    assurance: Literal["software-key", "managed-key"] | None = Field(
        default=None, description="the most that a signature of the key may claim"
    )
    not_before: Time | None = Field(
        default=None, description="the first moment at which it may have signed (RFC 3339, UTC)"
    )
    not_after: Time | None = Field(
        default=None, description="the last moment at which it may have signed (RFC 3339, UTC)"
    )
    revoked: Revocation | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "KeyEntry":
        if self.not_before and self.not_after and self.not_after < self.not_before:
            raise ValueError("not_after lies before not_before")
        try:
            choose_algorithm(self.algorithm, self.public_key.spec)
        except UsageError as error:
            raise ValueError(f"{error.message}; {error.fix}") from None
        return self


class IssuerEntry(StrictModel):
    """Public keys of an OIDC issuer, as ``signer keys snapshot-issuer`` prints them."""

    issuer: Annotated[str, Field(pattern="^https://", max_length=1000)]
    retrieved: str | None = None
    keys: Annotated[
        tuple[dict[str, Any], ...],
        Field(min_length=1, description="JSON Web Keys (RFC 7517)"),
    ]


class TrustedKeysFile(StrictModel):
    """The whole file."""

    version: Version
    keys: Annotated[tuple[KeyEntry, ...], Field(min_length=1, max_length=MAX_KEYS)]
    issuers: Annotated[tuple[IssuerEntry, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _different(self) -> "TrustedKeysFile":
        names: set[str] = set()
        ders: dict[bytes, str] = {}
        for entry in self.keys:
            if entry.name in names:
                raise ValueError(f"two keys are called {entry.name!r}")
            names.add(entry.name)
            if other := ders.get(entry.public_key.der):
                raise ValueError(f"{other!r} and {entry.name!r} are the same key")
            ders[entry.public_key.der] = entry.name
        return self


@dataclass(frozen=True, slots=True)
class TrustedKey(PublicKeyVerifier):
    """A verifier with the limits that the auditor sets.

    Attributes:
        name: what the auditor calls it.
        assurance: the most that its signatures may claim; None for no limit.
        not_before: the first moment of its window (aware); None for no limit.
        not_after: the last moment of its window (aware); None for no limit.
        revoked: from when on it is not to be trusted, and why.
    """

    name: str
    assurance: Assurance | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    revoked: Revocation | None = None

    @property
    def window(self) -> str | None:
        """Its window in words; None where it has none."""
        parts = [
            f"{word} {moment:%Y-%m-%dT%H:%M:%SZ}"
            for word, moment in (("from", self.not_before), ("to", self.not_after))
            if moment is not None
        ]
        return " ".join(parts) or None

    def covers(self, moment: datetime) -> bool:
        """Whether a moment (aware) lies in the window; its two ends do."""
        return not (
            (self.not_before is not None and moment < self.not_before)
            or (self.not_after is not None and moment > self.not_after)
        )


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """All keys of a file.

    Attributes:
        path: where they were read.
        keys: in the file's order.
        issuers: OIDC issuers and their keys, not parsed yet.
    """

    path: Path
    keys: tuple[TrustedKey, ...]
    issuers: tuple[IssuerEntry, ...] = ()
    _by_label: Mapping[str, TrustedKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        labels = {key.public_key.hint: key for key in self.keys}
        labels |= {key.public_key.fingerprint: key for key in self.keys}
        object.__setattr__(self, "_by_label", labels)

    def choose(self, *labels: str | None) -> TrustedKey:
        """The key that a bundle names. That it also signed remains to be seen.

        Args:
            labels: the bundle's keyid and hint, unsigned; the first that is known decides.

        Raises:
            VerificationError: ``wrong-key``.
        """
        for label in labels:
            if label and label in self._by_label:
                return self._by_label[label]
        seen = next((repr(label[:80]) for label in labels if label), "no key at all")
        raise VerificationError(
            "wrong-key",
            f"the signature is not by one of the trusted keys in {self.path}: it names {seen}",
            fix="find out whose key that is; if those who own it confirm it on another way than "
            "the signed audit came, add it to the trusted keys.",
        )


def load(path: Path) -> TrustedKeys:
    """Read a file of trusted keys.

    Args:
        path: the YAML file.

    Raises:
        UsageError: ``trusted-keys-not-found`` or ``trusted-keys-invalid``; all its mistakes are
            named at once, and no content is repeated.
    """
    try:
        content = read_small_file(path, MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            "trusted-keys-not-found",
            f"the trusted keys {path} cannot be read: {error.strerror}",
            fix="check the path given as trusted-keys.",
        ) from error
    if len(content) > MAX_BYTES:
        raise invalid(path, f"it has more than {MAX_BYTES} bytes")
    try:
        document = strict_yaml.load(content)
    except strict_yaml.PlainYamlError as error:
        raise invalid(f"{path}{error.place}", f"it is not plain YAML: {error}") from None
    try:
        file = TrustedKeysFile.model_validate(document)
    except ValidationError as error:
        items: list[dict[str, Any]] = [dict(item) for item in error.errors(include_url=False)]
        # Where every key is wrong, pydantic says as well that there is none.
        of_keys = [item for item in items if item["loc"] != ("keys",)]
        found = [_told(item, document) for item in of_keys or items]
        raise invalid(path, "; ".join(found[:20])) from None
    return TrustedKeys(path, tuple(map(_trusted, file.keys)), file.issuers or ())


def invalid(path: Path | str, detail: str) -> UsageError:
    """The error for a file of trusted keys that is not as it should be.

    Args:
        path: the file, and where in it.
        detail: what is wrong.
    """
    return UsageError(
        "trusted-keys-invalid", f"the trusted keys {path} are not valid: {detail}", fix=_FIX
    )


def _trusted(entry: KeyEntry) -> TrustedKey:
    return TrustedKey(
        public_key=entry.public_key,
        algorithm=choose_algorithm(entry.algorithm, entry.public_key.spec),
        name=entry.name,
        assurance=Assurance(entry.assurance) if entry.assurance else None,
        not_before=entry.not_before,
        not_after=entry.not_after,
        revoked=entry.revoked,
    )


def _told(item: Mapping[str, Any], document: Any) -> str:
    """A mistake and its place, with the name of the key it is in."""
    place = item["loc"]
    if len(place) > 1 and place[0] == "keys":
        entry = document["keys"][place[1]]
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and name.isprintable():
            return f"{told(item, _fields_at(place))} (the key {name[:100]!r})"
    return told(item, _fields_at(place))


def _fields_at(place: tuple[Any, ...]) -> list[str]:
    models: dict[Any, type[StrictModel]] = {"keys": KeyEntry, "issuers": IssuerEntry}
    model = models.get(place[0], TrustedKeysFile) if len(place) > 1 else TrustedKeysFile
    if len(place) > 3:
        model = Revocation
    return list(model.model_fields)
