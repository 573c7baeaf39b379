"""Signing in to AWS: this job's OIDC token for a role, or the ordinary chain of credentials.

Sources: STS API reference, ``AssumeRoleWithWebIdentity`` and ``GetCallerIdentity``, which needs
no permission; GitHub Docs, "Configuring OpenID Connect in Amazon Web Services".
"""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from signer.errors import ProviderError
from signer.jwt import unverified_claims
from signer.providers.aws.api import Api
from signer.providers.aws.calls import Answer, AwsFailure, Calls, Credentials
from signer.providers.aws.failures import Place, explain
from signer.providers.aws.policy import Statement, session_policy, trust_statement
from signer.providers.aws.reference import RoleReference, parse_role
from signer.providers.host import Host

SESSION_SECONDS = 900
"""How long assumed credentials live: the shortest that STS gives."""

# For one call with its retries, and for clocks that differ (seconds).
_MARGIN = 300.0
_NAME_LIMIT = 64
_REFUSED = ("AccessDenied", "AccessDeniedException", "InvalidIdentityToken", "IDPRejectedClaim")


class RoleCalls:
    """Calls as a role, which is assumed again before its credentials are too old.

    The public key is asked for before the audit files are read, and reading may take longer than a
    session lives. See `signer.providers.aws.calls.Calls`; safe in many threads.

    Args:
        assume: assumes the role, with a new token; a call as the role comes back.
    """

    def __init__(self, assume: Callable[[], Calls]) -> None:
        self._assume = assume
        self._lock = threading.Lock()
        self._renewed = time.monotonic()
        self._calls = assume()
        self.longest_attempt = self._calls.longest_attempt

    def call(
        self, operation: str, parameters: Mapping[str, str | int | bytes], deadline: float
    ) -> Answer:
        """Make one call.

        Raises:
            AwsFailure: it was refused or failed.
            ProviderError: the role was not assumed again.
        """
        return self._fresh().call(operation, parameters, deadline)

    def with_credentials(self, credentials: Credentials) -> Calls:
        """The way to call, with these credentials and no others."""
        return self._calls.with_credentials(credentials)

    def credential(self) -> str:
        """Which credential is used."""
        return self._fresh().credential()

    def _fresh(self) -> Calls:
        with self._lock:
            now = time.monotonic()
            if now - self._renewed >= SESSION_SECONDS - _MARGIN:
                self._calls = self._assume()
                self._renewed = now
            return self._calls


@dataclass(frozen=True, slots=True)
class Access:
    """How to get at AWS.

    Attributes:
        region: what the user said, apart from any ARN.
        role: ARN of the role to assume with this job's OIDC token; None for the chain.
        audience: the token's ``aud``.
        timeout: seconds for one answer, retries included.
        host: the process around.
    """

    region: str | None
    role: str | None
    audience: str
    timeout: float
    host: Host

    def open(
        self, calls: Calls, place: Place, statement: Callable[[RoleReference], Statement]
    ) -> Api:
        """AWS, signed in.

        Args:
            calls: the way to call.
            place: what errors name.
            statement: what a session of the role may do, and no more.

        Raises:
            UsageError: ``aws-role-malformed``.
            ProviderError: no token, or the role was refused.
        """
        api = Api(calls, self.timeout, self.host.notify, place)
        if self.role is None:
            return self._telling(api)
        role = parse_role(self.role)
        policy = session_policy([statement(role)])

        def assume() -> Calls:
            credentials, arn = self._assume(api, role, policy)
            self.host.notify(f"signed in to AWS as {arn} (role {role.text}, this job's OIDC token)")
            return calls.with_credentials(credentials)

        return replace(api, calls=RoleCalls(assume))

    def _assume(self, api: Api, role: RoleReference, policy: str) -> tuple[Credentials, str]:
        token = self.host.identity_token(self.audience)
        self.host.mask(token)
        try:
            answer = api.attempt(
                "sts:AssumeRoleWithWebIdentity",
                RoleArn=role.text,
                RoleSessionName=session_name(self.host.session_name),
                WebIdentityToken=token,
                Policy=policy,
                DurationSeconds=SESSION_SECONDS,
            )
        except AwsFailure as failure:
            raise _refusal(failure, role, token, self.audience, api.place) from failure
        given = answer["Credentials"]
        for secret in (given["SecretAccessKey"], given["SessionToken"]):
            self.host.mask(secret)
        credentials = Credentials(
            given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        )
        return credentials, answer["AssumedRoleUser"]["Arn"]

    def _telling(self, api: Api) -> Api:
        """The same, while the log is told which credential it is and whose."""
        try:
            credential = api.calls.credential()
        except AwsFailure:
            return api  # the first call says so, and what to do
        self.host.notify(f"AWS credential: {credential}")
        # Beside the calls that sign: it is only told, and must neither delay nor fail anything.
        aside = threading.Thread(
            target=partial(_tell_caller, api.calls, self.timeout, self.host.notify), daemon=True
        )
        aside.start()
        return replace(api, aside=aside)


def session_name(text: str) -> str:
    """A role session's name: at most 64 of STS's characters.

    The end stays, which tells runs apart.
    """
    name = re.sub(r"[^\w+=,.@-]+", "-", text, flags=re.ASCII).strip("-")
    return name[-_NAME_LIMIT:].lstrip("-") if len(name) > 1 else "policy-audit-signer"


def _tell_caller(calls: Calls, timeout: float, notify: Callable[[str], None]) -> None:
    try:
        answer = calls.call("sts:GetCallerIdentity", {}, time.monotonic() + timeout)
    except (AwsFailure, ProviderError):
        return  # an endpoint policy may forbid it; whoever signs is refused on their own account
    notify(f"AWS caller: {answer['Arn']}")


def _refusal(
    failure: AwsFailure, role: RoleReference, token: str, audience: str, place: Place
) -> ProviderError:
    if failure.code not in _REFUSED:
        return explain(failure, "sts:AssumeRoleWithWebIdentity", place)
    claims = unverified_claims(token)
    return ProviderError(
        "aws-role-refused",
        f"{role.text} could not be assumed: {failure.code}: {failure.message} "
        f"(the token's sub is {claims.get('sub')!r}, its aud {claims.get('aud')!r})",
        fix="the role's trust policy must have a statement that this token fits, such as "
        f"{trust_statement(role, claims, audience)}, and the account must have that OIDC provider "
        f"with the audience {audience}.",
    )
