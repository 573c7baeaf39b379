"""The run that the runner's variables describe. They are its word, not proof."""

from collections.abc import Mapping

from signer.audit.statement import Run


def on_runner(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a GitHub Actions job."""
    return environ.get("GITHUB_ACTIONS") == "true"


def run_of(environ: Mapping[str, str]) -> Run | None:
    """The run as ``GITHUB_*`` and ``RUNNER_ENVIRONMENT`` tell it; None outside a runner.

    Source: GitHub Docs, "Variables reference", default environment variables.
    """
    if not on_runner(environ):
        return None
    fields = {
        name: environ.get(
            "RUNNER_ENVIRONMENT" if name == "runner_environment" else f"GITHUB_{name.upper()}"
        )
        or None
        for name in Run.model_fields
    }
    return Run(**fields)
