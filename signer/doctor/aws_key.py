"""What AWS KMS says of one key: state and age, public key, a dry run of signing, the key policy.

Needs no permission that signing does not need: where ``kms:DescribeKey`` or ``kms:GetKeyPolicy`` is
not allowed, what they would tell is skipped.
Sources: AWS KMS API reference, ``DescribeKey``, ``Sign`` (DryRun), ``VerifyMac``, ``GetKeyPolicy``;
KMS Developer Guide, "Testing your permissions" and "Key states of AWS KMS keys".
"""

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from signer.crypto.algorithms import ALGORITHMS, choose_algorithm
from signer.crypto.keys import PublicKey
from signer.doctor.check import Check, Status, fail, ok, skip, warn
from signer.doctor.findings import Findings
from signer.doctor.identity import seconds_ahead
from signer.doctor.key_policy import who_else
from signer.errors import ProviderError, SignerError, UsageError, VerificationError
from signer.open_provider import pinned_key
from signer.providers import Provider
from signer.providers.aws.api import Api
from signer.providers.aws.calls import Answer, AwsFailure
from signer.providers.aws.failures import Place, explain
from signer.providers.aws.key import creation_date, find_key
from signer.providers.aws.reference import KeyReference
from signer.settings.models import SignSettings

READS = ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetPublicKey")
"""What is asked beside what signing asks; each may be denied."""

NAMES = ("key", "public-key", "dry-run", "key-policy")
"""The checks that are made here."""

_DENIED = "aws-access-denied"
_SIGNS, _AUTHENTICATES = "SIGN_VERIFY", "GENERATE_VERIFY_MAC"
# The last one: VerifyMac got as far as to compare.
_ALLOWED = ("DryRunOperationException", "KMSInvalidMacException")


def look(api: Api, key: KeyReference, settings: SignSettings, role: str, found: Findings) -> None:
    """Make the checks of `NAMES`.

    Args:
        api: KMS, signed in.
        key: the key as the user named it.
        settings: how it is to sign.
        role: ARN of who signs; empty where it is not known.
        found: takes what is found.
    """
    metadata = _describe(api, key, found)
    if metadata is not None:
        found.add(_state(metadata, settings, api.place))
    check = found.checks[-1]
    if check.status is Status.FAIL and check.code != _DENIED:
        found.skip_rest("see key", "public-key", "dry-run")
    else:
        _find(api, key, settings, found)
    arn = str(metadata["Arn"]) if metadata else found.provider.key_id if found.provider else ""
    if not arn or not role:
        unknown = "the key" if role else "who signs"
        found.skip_rest(f"{unknown} is not known: see above", "key-policy")
        return
    action = "kms:GenerateMac" if metadata and metadata["KeyUsage"] != _SIGNS else "kms:Sign"
    found.add(_key_policy(api, arn, role, action))


def tell_time(answer: Answer, found: Findings) -> None:
    """Keep how far AWS's clock is ahead, where an answer that came just now says what it is."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if found.ahead is None and "date" in headers:
        found.ahead, found.clock = seconds_ahead(headers["date"]), "AWS"


def explained(failure: AwsFailure | ProviderError, operation: str, place: Place) -> ProviderError:
    """The error for a user: what AWS answered, or why the command line could not ask."""
    return failure if isinstance(failure, ProviderError) else explain(failure, operation, place)


def _describe(api: Api, key: KeyReference, found: Findings) -> Mapping[str, Any] | None:
    """What DescribeKey says; where it does not, the check ``key`` says why."""
    try:
        answer = api.attempt("kms:DescribeKey", KeyId=key.text)
    except (AwsFailure, ProviderError) as failure:
        found.no_age = "kms:DescribeKey does not tell it: see key"
        error = explained(failure, "kms:DescribeKey", api.place)
        needed = found.dated or error.code != _DENIED
        found.add(fail("key", error) if needed else _not_told("key", error, "kms:DescribeKey"))
        return None
    tell_time(answer, found)
    metadata: Mapping[str, Any] = answer["KeyMetadata"]
    try:
        found.created = creation_date(answer, str(metadata["Arn"]))
    except ProviderError as error:
        found.no_age = error.message
    return metadata


def _state(metadata: Mapping[str, Any], settings: SignSettings, place: Place) -> Check:
    """The check ``key``."""
    spec, state, usage = (str(metadata.get(name)) for name in ("KeySpec", "KeyState", "KeyUsage"))
    told = f"{metadata['Arn']}: {spec}, {usage}, {state}"
    answer = None  # of KMS, to a signature
    if state == "Disabled":
        answer = AwsFailure("DisabledException", state)
    elif state != "Enabled":
        words = re.sub("(?<=[a-z])(?=[A-Z])", " ", state)
        answer = AwsFailure("KMSInvalidStateException", words)
    elif usage not in (_SIGNS, _AUTHENTICATES):
        answer = AwsFailure("InvalidKeyUsageException", usage)
    if answer is not None:
        return fail("key", explain(answer, "kms:Sign", place), told)
    try:
        algorithm = choose_algorithm(settings.algorithm, spec)
    except UsageError as error:
        return fail("key", error, f"{told}: {error.message}")
    return ok("key", f"{told}, {algorithm}")


def _find(api: Api, key: KeyReference, settings: SignSettings, found: Findings) -> None:
    """The checks ``public-key`` and ``dry-run``, and the key as signing would have it."""
    name = settings.provider or ""
    try:
        pinned = pinned_key(settings)
        provider = find_key(name, api, key, algorithm=settings.algorithm, pinned=pinned)
    except SignerError as error:
        found.add(fail("public-key", error))
        found.skip_rest("see public-key", "dry-run")
        return
    found.provider = provider
    if pinned is not None:
        found.add(_compare(api, key, pinned))
    elif provider.public_key is not None:
        found.add(ok("public-key", provider.public_key.fingerprint))
    else:
        found.add(ok("public-key", "an HMAC key has none: who can verify could sign"))
    found.add(_dry_run(api, provider))


def _compare(api: Api, key: KeyReference, pinned: PublicKey) -> Check:
    try:
        answer = api.attempt("kms:GetPublicKey", KeyId=key.text)
        theirs = PublicKey.from_der(answer["PublicKey"])
    except (AwsFailure, ProviderError) as failure:
        error = explained(failure, "kms:GetPublicKey", api.place)
        return _not_told("public-key", error, "kms:GetPublicKey")
    except VerificationError as error:
        return fail("public-key", error)
    if theirs != pinned:
        differs = UsageError(
            "pinned-key-differs",
            f"public-key is not the key {key.text}, which is {theirs.fingerprint}",
            fix="give the public key of this key, or name the key that public-key belongs to.",
        )
        return fail("public-key", differs)
    return ok("public-key", f"{pinned.fingerprint}, pinned")


def _dry_run(api: Api, provider: Provider) -> Check:
    """Whether signing would be allowed. KMS says so by an error, and makes no signature."""
    entry = ALGORITHMS[provider.algorithm]
    # Random bytes: should who answers not know DryRun, a signature over them says nothing.
    message = secrets.token_bytes(entry.digest_length or 32)
    asked: dict[str, dict[str, str | bytes]]
    if provider.public_key is not None:
        how = {"MessageType": entry.message_type.value, "SigningAlgorithm": provider.algorithm}
        asked = {"kms:Sign": {**how, "Message": message}}
    else:
        length = int(provider.algorithm.rpartition("_")[2]) // 8
        mac: dict[str, str | bytes] = {"MacAlgorithm": provider.algorithm, "Message": message}
        asked = {
            "kms:GenerateMac": mac,
            "kms:VerifyMac": {**mac, "Mac": secrets.token_bytes(length)},
        }
    for operation, parameters in asked.items():
        try:
            api.attempt(operation, KeyId=provider.key_id, DryRun=True, **parameters)
        except (AwsFailure, ProviderError) as failure:
            if failure.code == "ParamValidationError" and "DryRun" in failure.message:
                fix = "take one from July 2023 or later, or the provider aws_kms_sdk."
                return skip("dry-run", "the aws command line is too old to know DryRun", fix=fix)
            if failure.code not in _ALLOWED:
                return fail("dry-run", explained(failure, operation, api.place))
        else:
            return warn(
                "dry-run",
                f"{operation} ignored DryRun and was done, over random bytes",
                fix="check AWS_ENDPOINT_URL: something other than AWS KMS answers there.",
            )
    return ok("dry-run", f"{' and '.join(asked)} would be allowed ({provider.algorithm})")


def _key_policy(api: Api, arn: str, role: str, action: str) -> Check:
    """The check ``key-policy``: whether others may sign with this key too."""
    try:
        answer = api.attempt("kms:GetKeyPolicy", KeyId=arn, PolicyName="default")
        others = who_else(json.loads(answer["Policy"]), action, arn.split(":")[4], role)
    except (AwsFailure, ProviderError) as failure:
        error = explained(failure, "kms:GetKeyPolicy", api.place)
        return _not_told("key-policy", error, "kms:GetKeyPolicy")
    except (ValueError, KeyError, AttributeError) as error:
        return skip("key-policy", f"the key policy cannot be read: {error}")
    if others:
        return warn(
            "key-policy",
            f"{action} is allowed to others too: {', '.join(others)}",
            fix=f"allow {action} to the role that signs alone (docs/aws.md has a key policy).",
        )
    return ok(
        "key-policy",
        f"allows {action} to nobody but {role} and whom the account's IAM policies allow it",
    )


def _not_told(name: str, error: ProviderError, operation: str) -> Check:
    """What signing does not need, and could not be looked at."""
    if error.code != _DENIED:
        return skip(name, f"{error.message}; signing does not need it")
    return skip(
        name,
        f"{operation} is not allowed, and signing does not need it",
        fix=f"to have this looked at, {error.fix}",
    )
