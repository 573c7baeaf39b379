"""Between the gate and the statement: what is asked of the one and said in the other."""

from datetime import datetime
from typing import TYPE_CHECKING

from signer.audit.reader import AuditFile
from signer.audit.statement import NO_CLAIMS, Digest, Identity, Run, SigningPolicyFacts
from signer.providers import Provider
from signer.settings.models import SignSettings

if TYPE_CHECKING:  # only runs with a signing policy load the gate
    from signer.gate.decide import Gate, Permit
    from signer.gate.matching import Request


def permit_for(
    gate: "Gate",
    audit: AuditFile,
    settings: SignSettings,
    provider: Provider,
    key_created: datetime | None,
) -> "Permit":
    """Ask the gate about an audit file that was read.

    Raises:
        GateError: it may not be signed.
        ProviderError: GitHub or the issuer could not be asked.
    """
    return gate.permit(audit.sha256, request_for(settings, provider, audit.size, key_created))


def request_for(
    settings: SignSettings, provider: Provider, size: int | None, key_created: datetime | None
) -> "Request":
    """With what is to be signed, as a policy's rules see it.

    Args:
        settings: what was asked for.
        provider: the key.
        size: of the audit file, in bytes; None where it is not known yet.
        key_created: when the key was made (aware); None where no rule asks, or nobody knows.
    """
    from signer.gate.matching import Request, key_names

    return Request(
        provider=provider.name,
        keys=key_names(provider.key_id, asked_key(settings, provider.name)),
        algorithm=provider.algorithm,
        assurance=provider.assurance,
        size=size,
        plain_signature=settings.plain_signature,
        key_created=key_created,
    )


def asked_key(settings: SignSettings, provider: str) -> str | None:
    """The key as the settings name it; None where the provider of this name takes none."""
    family = provider.split("_")[0]
    field = {"kms": "kms_key", "aws": "aws_kms_key", "azure": "azure_kv_key"}.get(family)
    return getattr(settings, field, None) if field else None


def gated_run(run: Run | None, permit: "Permit | None") -> Run | None:
    """The run to state: where there is a token, its claims win over the environment."""
    if permit is None or permit.proved is None:
        return run
    known = {name: permit.claims.get(name) for name in Run.model_fields.keys() - NO_CLAIMS}
    return (run or Run()).model_copy(update=known)


def identity_of(run: Run | None, permit: "Permit | None") -> Identity | None:
    """What was shown for the run."""
    if permit is None:
        return Identity(source="environment", verified=False) if run else None
    if permit.proved is None:
        return Identity(source="environment", verified=False, claims=dict(permit.stated))
    return Identity(
        source="token",
        verified=True,
        issuer=permit.issuer,
        claims=dict(permit.stated),
        token_sha256=permit.proved.sha256,
    )


def policy_facts(
    permit: "Permit | None", settings: SignSettings, provider: Provider
) -> SigningPolicyFacts | None:
    """The policy's digest, the rule that allowed, and the key as it was asked for."""
    if permit is None:
        return None
    return SigningPolicyFacts(
        digest=Digest(sha256=permit.policy_sha256),
        rule=permit.rule.name,
        key=asked_key(settings, provider.name),
    )
