"""How a user names a key, a secret or a role, and the region that is asked.

Sources: AWS KMS Developer Guide, "Key identifiers (KeyId)"; Secrets Manager API reference,
``GetSecretValue`` (SecretId); IAM User Guide, "IAM identifiers".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from signer.errors import UsageError

SECRET_SCHEME = "aws-secretsmanager:"
"""What a ``POLICY_SIGNING_KEY`` that is not the key itself, but names a secret, starts with."""

_PARTITION = r"aws(?:-[a-z]+)*"
_REGION = r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+"
_KEY = re.compile(
    rf"(?:arn:(?P<partition>{_PARTITION}):kms:(?P<region>{_REGION}):(?P<account>[0-9]{{12}}):"
    r"(?:key/(?!alias/)|(?=alias/)))?"
    r"(?P<name>(?:mrk-)?[0-9a-f-]{32,36}|alias/[a-zA-Z0-9/_-]{1,250})"
)
_ROLE = re.compile(
    rf"arn:(?P<partition>{_PARTITION}):iam::(?P<account>[0-9]{{12}}):role/[\w+=,.@/-]{{1,512}}"
)
_SECRET_ARN = re.compile(
    rf"arn:{_PARTITION}:secretsmanager:({_REGION}):[0-9]{{12}}:secret:[\w/+=.@-]{{1,519}}"
)
_SECRET_NAME = re.compile(r"[\w/+=.@-]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A key as the user named it.

    Attributes:
        text: id, key ARN, ``alias/NAME`` or alias ARN.
        name: the id (``mrk-…`` for a multi-Region key), or ``alias/NAME``.
        partition: such as ``aws`` or ``aws-us-gov``; of an ARN only.
        region: of an ARN only.
        account: of an ARN only; 12 digits.
    """

    text: str
    name: str
    partition: str | None
    region: str | None
    account: str | None

    @property
    def is_alias(self) -> bool:
        """Whether the name can come to mean another key."""
        return self.name.startswith("alias/")

    @property
    def is_key_arn(self) -> bool:
        """Whether it is a key's full name, in need of no look-up."""
        return self.region is not None and not self.is_alias


@dataclass(frozen=True, slots=True)
class RoleReference:
    """A role's ARN and what it says."""

    text: str
    partition: str
    account: str


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A secret of Secrets Manager: its name or ARN, and the region of the ARN."""

    text: str
    region: str | None


def parse_key(text: str) -> KeyReference:
    """A key's reference.

    Raises:
        UsageError: ``aws-key-malformed``.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        raise UsageError(
            "aws-key-malformed",
            f"{text[:200]!r} names no AWS KMS key",
            fix="use a key id (1234abcd-…, mrk-…), alias/NAME, or the ARN of a key or an alias "
            "(arn:aws:kms:REGION:ACCOUNT:key/ID).",
        )
    return KeyReference(text, match["name"], match["partition"], match["region"], match["account"])


def parse_role(text: str) -> RoleReference:
    """A role's reference.

    Raises:
        UsageError: ``aws-role-malformed``.
    """
    match = _ROLE.fullmatch(text)
    if match is None:
        raise UsageError(
            "aws-role-malformed",
            f"{text[:200]!r} is not the ARN of an IAM role",
            fix="use arn:aws:iam::ACCOUNT:role/NAME, as `aws iam get-role` prints it.",
        )
    return RoleReference(text, match["partition"], match["account"])


def parse_secret(text: str) -> SecretReference:
    """The secret that ``aws-secretsmanager:NAME_OR_ARN`` names.

    Raises:
        UsageError: ``aws-secret-malformed``.
    """
    name = text.removeprefix(SECRET_SCHEME)
    arn = _SECRET_ARN.fullmatch(name)
    if arn is None and not _SECRET_NAME.fullmatch(name):
        raise UsageError(
            "aws-secret-malformed",
            f"POLICY_SIGNING_KEY starts with {SECRET_SCHEME}, but no secret's name or ARN follows",
            fix=f"use {SECRET_SCHEME}NAME, or {SECRET_SCHEME} and the secret's whole ARN.",
        )
    return SecretReference(name, arn[1] if arn else None)


def choose_region(
    reference: KeyReference | SecretReference, said: str | None, environ: Mapping[str, str]
) -> str | None:
    """The region to ask: the ARN's, else the one that was said, else the environment's.

    Returns:
        None where only the user's AWS configuration may still know one.

    Raises:
        UsageError: ``aws-region-conflict`` between an ARN and ``aws-region``.
    """
    if reference.region is None:
        return said or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
    if said is not None and said != reference.region:
        raise UsageError(
            "aws-region-conflict",
            f"aws-region is {said!r}, but {reference.text} is in {reference.region!r}",
            fix="take aws-region out, or name the key or secret of the region that you mean.",
        )
    return reference.region
