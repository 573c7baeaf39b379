"""Secrets, masked on the runner before anything else is printed, and cut from our own lines."""

from collections.abc import Mapping

SECRET_VARIABLES = (
    "POLICY_SIGNING_KEY",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "GITHUB_TOKEN",
    "INPUT_SIGNING-KEY",
)

# Masking shorter text would blacken half of every log and hide nothing.
_SHORTEST = 4


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """The secret values of an environment, and each line of those that have several."""
    found: list[str] = []
    for name in SECRET_VARIABLES:
        value = environ.get(name, "")
        for text in (value, *value.splitlines()):
            if len(text) >= _SHORTEST and text not in found:
                found.append(text)
    return found


def redact(text: str, secrets: list[str]) -> str:
    """The text with every secret replaced by ``***``, longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
