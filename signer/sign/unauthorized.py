"""A fork's or Dependabot's run: GitHub gives it no token and empty secrets.

Source: GitHub Docs, "Events that trigger workflows", pull_request in forks; "Dependabot on
GitHub Actions".
"""

from collections.abc import Mapping

from signer.github.oidc import token_offered
from signer.settings.given import SIGNING_KEY, Given, variable_for

SKIPPED = (
    "policy audit: skipped",
    (
        "nothing was signed: a fork's or Dependabot's run has no token and no secrets "
        "(if-unauthorized: skip)"
    ),
)
"""Title and text of the notice."""

_NAME = "if-unauthorized"


def may_be_skipped(said: Mapping[str, Given], environ: Mapping[str, str]) -> bool:
    """Whether this run cannot sign, is one of those that never can, and is to pass all the same.

    Args:
        said: what inputs or options say.
        environ: the step's environment.
    """
    if _value(_NAME, said, environ) != "skip" or token_offered(environ):
        return False
    provider = _value("provider", said, environ)
    needs = (
        bool(_value("signing-policy", said, environ))
        or provider.startswith(("aws", "azure"))
        or (environ.get(SIGNING_KEY) == "" and provider in ("", "hmac"))
        or (provider == "hmac" and SIGNING_KEY not in environ)
    )
    if not needs:
        return False
    from signer.gate.events import is_without_secrets

    return is_without_secrets(environ)


def _value(name: str, said: Mapping[str, Given], environ: Mapping[str, str]) -> str:
    given = said[name].value.strip() if name in said else ""
    return given or environ.get(variable_for(name), "").strip()
