"""Which settings contradict each other, are missing, or would be ignored."""

from collections.abc import Mapping

from signer.audit.formats import AuditFormat
from signer.errors import UsageError
from signer.settings import aws, azure
from signer.settings.given import PROVIDER, SIGNING_KEY, Given, either, variable_for
from signer.settings.problems import conflict, ignored

# What a workflow may ask of a later version. To ignore one would be to sign with less
# protection, or to keep less, than was asked for.
NOT_YET = ("archive",)

_TRUST = ("public-key", "trusted-keys", "hmac", "integrity-only", "provider")
_MANAGED = (*aws.PROVIDERS, *azure.PROVIDERS)
_IN_A_KMS = ("kms", *_MANAGED)


def problems(
    said: Mapping[str, Given],
    given: Mapping[str, Given],
    environ: Mapping[str, str],
    *,
    signing: bool,
) -> list[UsageError]:
    """Every problem with the settings taken together.

    Args:
        said: what was said outright.
        given: the settings that are set, outright or in the environment.
        environ: the environment.
        signing: whether to sign, and not to verify.
    """
    return [
        *_unsupported(said, environ),
        *_misnamed(given, environ),
        *_key_problems(given, environ),
        *aws.problems(given, environ, signing=signing),
        *azure.problems(given, environ, signing=signing),
        *(
            _sign_conflicts(given)
            if signing
            else [*_trust_problems(given), *_trust_by_environment(given)]
        ),
    ]


def _unsupported(said: Mapping[str, Given], environ: Mapping[str, str]) -> list[UsageError]:
    labels = {name: said[name].label for name in NOT_YET if name in said}
    for name in NOT_YET:
        if name not in labels and environ.get(variable_for(name), "").strip():
            labels[name] = variable_for(name)
    return [
        UsageError(
            "setting-not-supported",
            f"{label} is set, but this version has no {name}",
            fix="unset it, or use a version that has it; it is never silently ignored.",
        )
        for name, label in labels.items()
    ]


def _misnamed(given: Mapping[str, Given], environ: Mapping[str, str]) -> list[UsageError]:
    # Named as all others are it would be this; ignored, the run would sign with less.
    if "provider" in given or not environ.get("POLICY_PROVIDER", "").strip():
        return []
    return [
        conflict(
            f"POLICY_PROVIDER is set, and the provider's variable is {PROVIDER}",
            fix=f"rename it to {PROVIDER}, or set the input provider.",
        )
    ]


def _key_problems(given: Mapping[str, Given], environ: Mapping[str, str]) -> list[UsageError]:
    key = environ.get(SIGNING_KEY)
    if key == "":
        return [
            UsageError(
                "secret-empty",
                f"{SIGNING_KEY} is there but empty, as when a workflow names a secret that does "
                "not exist, or that its run may not read",
                fix="create the secret, or take the variable out to sign without one.",
            )
        ]
    wants = [
        item.label
        for name, item in given.items()
        if (name, item.value.lower()) in (("provider", "hmac"), ("hmac", "true"))
    ]
    if wants and key is None:
        return [
            UsageError(
                "secret-missing",
                f"{wants[0]} asks for HMAC-SHA256, but {SIGNING_KEY} is not set",
                fix=f"set {SIGNING_KEY} in the environment, from the platform's secret store.",
            )
        ]
    return []


def _sign_conflicts(given: Mapping[str, Given]) -> list[UsageError]:
    found = []
    if "signing-policy-sha256" in given and "signing-policy" not in given:
        found.append(
            conflict(
                f"{given['signing-policy-sha256'].label} is set, but no signing-policy",
                fix="name the policy that it pins.",
            )
        )
    if "public-key" in given and (
        "provider" not in given or given["provider"].value not in _MANAGED
    ):
        label = given["public-key"].label
        found.append(
            conflict(
                f"{label} is set for signing, where only {either(_MANAGED, 'and')} use it",
                fix=f"take {label} out, or set mode to verify.",
            )
        )
    found += ignored(given, ("kms-key", "kms-directory"), "kms")
    if pointer := given.get("event-pointer"):
        audit_format = given.get("audit-format")
        if not pointer.value.startswith("/"):
            found.append(
                conflict(
                    f"{pointer.label} is {pointer.value!r}, and a JSON Pointer starts with /",
                    fix="write it as in RFC 6901, such as /results.",
                )
            )
        elif audit_format is not None and audit_format.value != AuditFormat.JSON:
            found.append(
                conflict(
                    f"{pointer.label} is set, but {audit_format.label} is {audit_format.value!r}",
                    fix="use event-pointer with the format json only.",
                )
            )
    return found


def _trust_by_environment(given: Mapping[str, Given]) -> list[UsageError]:
    """What an earlier step could add to the trust that the workflow itself says."""
    trust = [given[name] for name in _TRUST if name in given and given[name].outright]
    if not trust:
        return []
    return [
        conflict(
            f"{given[name].label} is set in the environment only, where an earlier step can set "
            f"it, and {trust[0].label} says what is trusted",
            fix=f"say {name} as an input or option too, or unset the variable.",
        )
        for name, adds in (("issuer-keys", None), ("type", "any"))
        if name in given and not given[name].outright and adds in (None, given[name].value)
    ]


def _trust_problems(given: Mapping[str, Given]) -> list[UsageError]:
    chosen = [
        given[name].label
        for name in ("public-key", "trusted-keys", "hmac", "integrity-only")
        if name in given
        and (name in ("public-key", "trusted-keys") or given[name].value.lower() != "false")
    ]
    provider = given.get("provider")
    if provider is not None and provider.outright and provider.value in _IN_A_KMS:
        chosen.append(provider.label)
    if len(chosen) > 1:
        return [
            conflict(
                f"{either(chosen, 'and')} are set: it is not clear what is trusted",
                fix="choose exactly one.",
            )
        ]
    if not chosen and provider is not None and not provider.outright:
        return [
            UsageError(
                "trust-missing",
                f"nothing but {provider.label} in the environment says what is trusted, and what "
                "an earlier step can set is not enough",
                fix="set exactly one of public-key, trusted-keys, hmac, integrity-only and "
                "provider outright, as an input or option.",
            )
        ]
    if not chosen and (provider is None or provider.value not in _IN_A_KMS):
        return [
            UsageError(
                "trust-missing",
                "nothing says what is trusted",
                fix="set exactly one of public-key (a PEM file you got on another way than the "
                "signed audit), trusted-keys, hmac and integrity-only.",
            )
        ]
    if "trusted-keys" in given and "algorithm" in given:
        return [
            conflict(
                f"{given['algorithm'].label} is set beside {given['trusted-keys'].label}: it would "
                "be ignored",
                fix="take it out; each trusted key has an algorithm of its own.",
            )
        ]
    return []
