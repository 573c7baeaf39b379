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
)

# A variable may name a secret that is kept elsewhere; a name is not secret.
_REFERENCES = ("aws-secretsmanager:", "azure-keyvault:")

# Masking shorter text would blacken half of every log and hide nothing.
_SHORTEST = 4


def is_secret(variable: str) -> bool:
    """Whether a variable holds a secret, also where a workflow passed it through ``with:``."""
    name = variable.removeprefix("INPUT_").upper().replace("-", "_")
    return name in SECRET_VARIABLES or f"POLICY_{name}" in SECRET_VARIABLES


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """The secret values of an environment, and each line of those that have several."""
    found: list[str] = []
    for value in (value for name, value in environ.items() if is_secret(name)):
        if not value.startswith(_REFERENCES):
            found += [text for text in secrets_of(value) if text not in found]
    return found


def secrets_of(value: str) -> list[str]:
    """A secret value, and each of its lines where it has several."""
    return [text for text in dict.fromkeys((value, *value.splitlines())) if len(text) >= _SHORTEST]


def redact(text: str, secrets: list[str]) -> str:
    """The text with every secret replaced by ``***``, longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
