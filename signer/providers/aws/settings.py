"""Which of the AWS settings contradict each other, or would be ignored."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from signer.errors import UsageError
from signer.providers.aws.reference import SECRET_SCHEME, choose_region, parse_key, parse_secret

if TYPE_CHECKING:
    from signer.settings import Given

PROVIDERS = ("aws_kms_sdk", "aws_kms")
_TRUST = {"public-key", "hmac", "integrity-only"}
_ACCESS = ("aws-region", "aws-role-to-assume", "aws-audience")


def problems(
    given: "Mapping[str, Given]", environ: Mapping[str, str], *, signing: bool
) -> list[UsageError]:
    """Every problem with the AWS settings taken together.

    Args:
        given: the settings that are set.
        environ: the environment.
        signing: whether to sign, and not to verify.
    """
    provider = given["provider"].value if "provider" in given else None
    reference = environ.get("POLICY_SIGNING_KEY", "")
    fetches = reference.startswith(SECRET_SCHEME)
    # Verifying, a provider is only looked at where nothing else is trusted.
    used = signing or not _TRUST & given.keys()
    found = []
    if signing and provider is None:
        found += [
            UsageError(
                "setting-conflict",
                f"{given[name].label} is set, but no provider is chosen: it would be ignored",
                fix=f"set provider to aws_kms_sdk, or take {given[name].label} out.",
            )
            for name in ("aws-kms-key", *(() if fetches else _ACCESS))
            if name in given
        ]
    if used and provider in PROVIDERS and "aws-kms-key" not in given:
        found.append(
            UsageError(
                "setting-missing",
                f"provider is {provider}, but aws-kms-key is not set",
                fix="set the input aws-kms-key, or POLICY_AWS_KMS_KEY in the environment.",
            )
        )
    if signing and "aws-role-to-assume" not in given and "aws-audience" in given:
        label = given["aws-audience"].label
        found.append(
            UsageError(
                "setting-conflict",
                f"{label} is set, but no role is assumed: it would be ignored",
                fix=f"set aws-role-to-assume, or take {label} out.",
            )
        )
    return found + _region_problems(given, environ, reference if fetches else None)


def _region_problems(
    given: "Mapping[str, Given]", environ: Mapping[str, str], secret: str | None
) -> list[UsageError]:
    region = given["aws-region"].value if "aws-region" in given else None
    try:
        if secret is not None:
            choose_region(parse_secret(secret), region, environ)
        if "aws-kms-key" in given:
            choose_region(parse_key(given["aws-kms-key"].value), region, environ)
    except UsageError as error:
        # A malformed key is told where its own setting is read.
        return [error] if error.code != "aws-key-malformed" else []
    return []
