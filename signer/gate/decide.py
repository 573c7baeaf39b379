"""The gate as signing sees it: for each audit file read, a permit or a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from signer.errors import GateError
from signer.gate import events, key_age, matching
from signer.gate.identity import ProvedIdentity, environment_claims, prove
from signer.gate.policy import GITHUB_ISSUER, PolicyFile, Rule, load

if TYPE_CHECKING:
    from signer.settings.models import SignSettings

# Beside what a rule names: whose run it was, and what tells a dangerous one when it is over.
_ALWAYS_STATED = (
    "repository", "repository_id", "event_name", "runner_environment", "repository_visibility"
)  # fmt: skip
_PIN = (
    "pin it with the input or option signing-policy-sha256; a pin that only the environment has is "
    "compared, but an earlier step could have set it."
)
# What tells one run from all others.
_RUN = ("repository_id", "run_id", "run_attempt")


@dataclass(frozen=True, slots=True)
class Permit:
    """Why a file may be signed.

    Attributes:
        policy_sha256: the policy's digest, hex.
        rule: the rule that allows.
        claims: every claim that is known.
        stated: those that decided, for the statement.
        proved: the token, None where identity is the environment's word.
        issuer: the policy's.
        moment: when it was decided (UTC): the time of signing that the statement has, so that
            whoever asks the policy again measures the same age.
        key_created: when the key was made (UTC), where a rule asks.
    """

    policy_sha256: str
    rule: Rule
    claims: Mapping[str, str]
    stated: Mapping[str, str]
    proved: ProvedIdentity | None
    issuer: str
    moment: datetime
    key_created: datetime | None = None

    @property
    def key_age_warning(self) -> str | None:
        """What to say of a key that will soon be older than the rule allows."""
        limit = self.rule.may_sign_with.max_key_age
        if limit is None or self.key_created is None:
            return None
        return key_age.warning(key_age.age_of(self.key_created, self.moment), limit)


@dataclass(frozen=True, slots=True)
class Gate:
    """A policy, ready to decide in one environment.

    Attributes:
        file: the policy.
        pinned: whether its digest was said outright. A pin that only the environment names is
            compared too, but an earlier step, which could replace the policy, can set it.
        environ: the step's environment.
    """

    file: PolicyFile
    pinned: bool
    environ: Mapping[str, str]

    def asks_key_age(self, provider: str | None) -> bool:
        """Whether a rule for this provider limits the key's age."""
        return any(
            rule.may_sign_with.max_key_age is not None and provider in rule.may_sign_with.provider
            for rule in self.file.policy.rules
        )

    def permit(self, digest: bytes, request: matching.Request) -> Permit:
        """Decide about one audit file.

        Args:
            digest: the file's SHA-256, 32 bytes.
            request: with what it is to be signed.

        Raises:
            GateError: it may not be signed.
            ProviderError: GitHub or the issuer could not be asked.
        """
        policy = self.file.policy
        proved = None
        if policy.identity == "token":
            proved = prove(self.environ, policy.issuer, digest)
        claims = proved.claims if proved else environment_claims(self.environ)
        moment = datetime.now(UTC)
        rule = self.decide(claims, request, at=moment)
        names = {*rule.runs.named(), *(name for name in _ALWAYS_STATED if name in claims)}
        return Permit(
            self.file.sha256,
            rule,
            claims,
            {name: claims[name] for name in sorted(names)},
            proved,
            policy.issuer,
            moment,
            request.key_created,
        )

    def decide(
        self,
        claims: Mapping[str, str],
        request: matching.Request | None,
        *,
        at: datetime | None = None,
    ) -> Rule:
        """The rule that allows.

        Args:
            claims: the run's, under GitHub's names; proved, unless the policy takes the
                environment's word.
            request: with what it wants to sign; None asks about the claims only.
            at: when it signs (aware); None for now.

        Raises:
            GateError: the policy does not count here, no rule allows, or the run is dangerous.
        """
        if self.file.policy.identity == "token":
            self._require_this_run(claims)
            self._require_protected(claims)
        else:
            self._require_protected(None)
        answer = matching.ask(self.file.policy, claims, request, at=at)
        rule = answer.rule
        if rule is None:
            raise matching.no_rule(answer)
        found = events.dangers(claims, events.read_event(self.environ))
        events.require_named(found, rule.name, rule.allow_dangerous)
        if found and not self.pinned:
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} is not pinned outright, and this run is "
                f"{', '.join(found)}: its workspace, and the policy in it, may be a stranger's",
                fix=_PIN,
            )
        return rule

    def _require_this_run(self, claims: Mapping[str, str]) -> None:
        """Claims decide; the runner's variables may only refuse."""
        for name in _RUN:
            here = self.environ.get(f"GITHUB_{name.upper()}")
            if here and claims.get(name) != here:
                raise GateError(
                    "identity-bad",
                    f"the run's OIDC token is of another run: its {name} is "
                    f"{str(claims.get(name))[:200]!r}, and GITHUB_{name.upper()} is {here[:200]!r}",
                    fix="find out which step set the variable, or where tokens are asked for "
                    "(ACTIONS_ID_TOKEN_REQUEST_URL).",
                )

    def _require_protected(self, claims: Mapping[str, str] | None) -> None:
        if self.pinned:
            return
        if claims is None:
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} is not pinned outright and takes the "
                "runner's variables for the identity: no token says that its ref is protected",
                fix=_PIN,
            )
        if claims.get("ref_protected") != "true":
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} is not pinned outright, and the run's ref "
                f"({claims.get('ref', 'unknown')[:200]}) is not protected: whoever can push it "
                "can edit the policy",
                fix=f"sign from a protected branch, or {_PIN}",
            )
        if self.file.policy.issuer != GITHUB_ISSUER:
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} names the issuer {self.file.policy.issuer}, "
                "and is not pinned outright: its own issuer cannot vouch for it",
                fix=_PIN,
            )


def open_gate(settings: "SignSettings", environ: Mapping[str, str]) -> Gate | None:
    """The gate that the settings ask for; None where they name no signing policy.

    Raises:
        UsageError: the policy cannot be read, or is not valid.
        GateError: it is not the pinned one.
    """
    if settings.signing_policy is None:
        return None
    pin = settings.signing_policy_sha256
    file = load(settings.signing_policy, sha256=pin)
    return Gate(file, "signing-policy-sha256" in settings.outright, environ)
