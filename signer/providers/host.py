"""What a provider may ask of the place it runs in. It knows nothing of GitHub itself."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Host:
    """The process around a provider.

    Attributes:
        environ: the environment.
        notify: takes a line for the log; nothing secret.
        mask: takes a secret that was fetched, so that no later line shows it.
        identity_token: a new OIDC token (a JWT) of this job for an audience; raises
            ProviderError where there is none.
        offers_identity_token: whether this job may have such a token.
        session_name: names this run where a service asks for a name.
        cleanup: takes what is to be undone at the end of the job, however it ends.
    """

    environ: Mapping[str, str]
    notify: Callable[[str], None]
    mask: Callable[[str], None]
    identity_token: Callable[[str], str]
    offers_identity_token: bool
    session_name: str
    cleanup: ExitStack
