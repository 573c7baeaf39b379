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

_ALWAYS_STATED = ("repository", "repository_id")


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
    """A policy, ready to decide in one environment."""

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
        self._require_protected(claims if self.file.policy.identity == "token" else None)
        answer = matching.ask(self.file.policy, claims, request, at=at)
        rule = answer.rule
        if rule is None:
            raise matching.no_rule(answer)
        found = events.dangers(claims, events.read_event(self.environ))
        if unnamed := [name for name in found if name not in rule.allow_dangerous]:
            raise events.dangerous_run(unnamed, rule.name)
        return rule

    def _require_protected(self, claims: Mapping[str, str] | None) -> None:
        if self.pinned:
            return
        if claims is None:
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} is not pinned and takes the runner's "
                "variables for the identity: no token says that the run's ref is protected",
                fix="pin it with signing-policy-sha256.",
            )
        if claims.get("ref_protected") != "true":
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} is not pinned, and the run's ref "
                f"({claims.get('ref', 'unknown')[:200]}) is not protected: whoever can push it "
                "can edit the policy",
                fix="pin it with signing-policy-sha256, or sign from a protected branch.",
            )
        if self.file.policy.issuer != GITHUB_ISSUER:
            raise GateError(
                "policy-not-protected",
                f"the signing policy {self.file.path} names the issuer {self.file.policy.issuer}, "
                "and is not pinned: its own issuer cannot vouch for it",
                fix="pin it with signing-policy-sha256.",
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
    return Gate(file, pin is not None, environ)
