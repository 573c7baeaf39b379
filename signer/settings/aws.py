"""Which of the AWS settings contradict each other, or would be ignored."""

from collections.abc import Mapping

from signer.errors import UsageError
from signer.providers.aws.reference import SECRET_SCHEME, choose_region, parse_key, parse_secret
from signer.settings.given import SIGNING_KEY, Given
from signer.settings.problems import conflict, ignored, unnamed_key

PROVIDERS = ("aws_kms_sdk", "aws_kms")
_ACCESS = ("aws-region", "aws-role-to-assume", "aws-audience")


def problems(
    given: Mapping[str, Given], environ: Mapping[str, str], *, signing: bool
) -> list[UsageError]:
    """Every problem with the AWS settings taken together.

    Args:
        given: the settings that are set.
        environ: the environment.
        signing: whether to sign, and not to verify.
    """
    reference = environ.get(SIGNING_KEY, "")
    secret = reference if reference.startswith(SECRET_SCHEME) else None
    found = []
    if signing:
        used = ("aws-kms-key", *(() if secret else _ACCESS))
        found += ignored(given, used, "aws_kms_sdk")
    found += unnamed_key(given, "aws-kms-key", PROVIDERS, signing=signing)
    if signing and "aws-role-to-assume" not in given and "aws-audience" in given:
        label = given["aws-audience"].label
        found.append(
            conflict(
                f"{label} is set, but no role is assumed: it would be ignored",
                fix=f"set aws-role-to-assume, or take {label} out.",
            )
        )
    return found + _region_problems(given, environ, secret)


def _region_problems(
    given: Mapping[str, Given], environ: Mapping[str, str], secret: str | None
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
