"""What the runner offers a provider: a token, a log that masks, a name for its session."""

from collections.abc import Mapping
from contextlib import ExitStack

from signer.github.oidc import request_token, token_offered
from signer.log import Log
from signer.providers.host import Host


def host_of(environ: Mapping[str, str], log: Log, cleanup: ExitStack) -> Host:
    """The process around a provider, on a runner or not."""
    run = [environ.get(f"GITHUB_{name}", "") for name in ("REPOSITORY", "RUN_ID", "RUN_ATTEMPT")]
    return Host(
        environ=environ,
        notify=log.info,
        mask=log.mask,
        identity_token=lambda audience: request_token(environ, audience),
        offers_identity_token=token_offered(environ),
        session_name="-".join(part for part in run if part),
        cleanup=cleanup,
    )
