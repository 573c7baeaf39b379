"""moto's KMS, corrected where it differs from the service. Each correction names its source.

A source "API: X" is the page of operation X in the AWS KMS API reference.
"""

import base64
import json
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms import models, responses
from moto.kms.models import Key, kms_backends
from moto.kms.responses import KmsResponse

from tests.integration.aws.keys import MAC_ALGORITHMS, SIGNING_ALGORITHMS, Material

Parameters = dict[str, Any]


class KmsRefusal(JsonRESTError):  # type: ignore[misc]  # noqa: N818
    """An error of KMS: all of these have the HTTP status 400."""

    code = 400

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)


def apply() -> None:
    """Correct moto in this process."""
    # API: CreateKey (KeySpec): moto has neither Ed25519 nor ML-DSA.
    models.KeySpec.key_specs = classmethod(
        lambda _: sorted([*SIGNING_ALGORITHMS, *MAC_ALGORITHMS, "SYMMETRIC_DEFAULT"])
    )
    models.generate_private_key = Material
    models.Key.signing_algorithms = property(lambda key: SIGNING_ALGORITHMS.get(key.key_spec))
    for operation in (sign, get_public_key, generate_mac, verify_mac, describe_key):
        setattr(KmsResponse, operation.__name__, operation)
    # Developer Guide, "Multi-Region keys": mrk- and 32 hex digits without hyphens.
    original = models.generate_key_id
    models.generate_key_id = lambda multi_region=False: (
        f"mrk-{original().replace('-', '')}" if multi_region else original()
    )
    responses.KmsResponse._validate_cmk_id = lambda self, key_id: None


def resolve(account: str, region: str, key_id: str) -> Key:
    """The key that an id, alias or ARN of either names.

    Developer Guide, "Key identifiers": an ARN names account and region too, which moto ignores;
    a key of another region is not found.

    Raises:
        KmsRefusal: ``NotFoundException``, in KMS's words.
    """
    said = key_id
    if key_id.startswith("arn:"):
        _, _, _, arn_region, account, key_id = key_id.split(":", 5)
        key_id = key_id.removeprefix("key/")
        if arn_region != region:
            raise KmsRefusal("NotFoundException", f"Invalid arn {arn_region}")
    backend = kms_backends[account][region]
    if key_id.startswith("alias/"):
        target = backend.get_key_id_from_alias(key_id)
        if target is None:
            arn = f"arn:aws:kms:{region}:{account}:{key_id}"
            raise KmsRefusal("NotFoundException", f"Alias {arn} is not found.")
        key_id = target
    if key_id not in backend.keys:
        arn = said if said.startswith("arn:") else f"arn:aws:kms:{region}:{account}:key/{key_id}"
        raise KmsRefusal("NotFoundException", f"Key '{arn}' does not exist")
    return backend.keys[key_id]


def sign(self: KmsResponse) -> str:
    """API: Sign. moto ignores MessageType, DryRun, lengths, key state and usage."""
    asked = _parameters(self)
    key = _usable(self, asked, "SIGN_VERIFY", SIGNING_ALGORITHMS, asked["SigningAlgorithm"])
    message = base64.b64decode(asked["Message"])
    kind, algorithm = asked.get("MessageType", "RAW"), asked["SigningAlgorithm"]
    _check_length(message, kind, algorithm)
    _check_dry_run(asked)
    signature = key.private_key.sign(message, kind, algorithm)
    return json.dumps(
        {
            "KeyId": key.arn,
            "Signature": base64.b64encode(signature).decode(),
            "SigningAlgorithm": algorithm,
        }
    )


def get_public_key(self: KmsResponse) -> str:
    """API: GetPublicKey: KeyId is "the Amazon Resource Name (key ARN)", and KeySpec is there."""
    asked = _parameters(self)
    key = resolve(self.current_account, self.region, asked["KeyId"])
    _check_state(key)
    if key.key_spec not in SIGNING_ALGORITHMS:
        raise KmsRefusal("UnsupportedOperationException", f"{key.arn} has no public key")
    _check_dry_run(asked)
    return json.dumps(
        {
            "KeyId": key.arn,
            "KeySpec": key.key_spec,
            "CustomerMasterKeySpec": key.key_spec,
            "KeyUsage": key.key_usage,
            "PublicKey": base64.b64encode(key.private_key.public_key()).decode(),
            "SigningAlgorithms": key.signing_algorithms,
        }
    )


def generate_mac(self: KmsResponse) -> str:
    """API: GenerateMac."""
    asked = _parameters(self)
    key = _usable(self, asked, "GENERATE_VERIFY_MAC", MAC_ALGORITHMS, asked["MacAlgorithm"])
    message = base64.b64decode(asked["Message"])
    _check_length(message, "RAW", asked["MacAlgorithm"])
    _check_dry_run(asked)
    mac = key.private_key.mac(message, asked["MacAlgorithm"])
    answer = {"KeyId": key.arn, "Mac": base64.b64encode(mac).decode()}
    return json.dumps({**answer, "MacAlgorithm": asked["MacAlgorithm"]})


def verify_mac(self: KmsResponse) -> str:
    """API: VerifyMac: an error where it does not fit."""
    asked = _parameters(self)
    key = _usable(self, asked, "GENERATE_VERIFY_MAC", MAC_ALGORITHMS, asked["MacAlgorithm"])
    message = base64.b64decode(asked["Message"])
    _check_length(message, "RAW", asked["MacAlgorithm"])
    if key.private_key.mac(message, asked["MacAlgorithm"]) != base64.b64decode(asked["Mac"]):
        raise KmsRefusal("KMSInvalidMacException", "")
    _check_dry_run(asked)
    answer = {"KeyId": key.arn, "MacValid": True, "MacAlgorithm": asked["MacAlgorithm"]}
    return json.dumps(answer)


def describe_key(self: KmsResponse) -> str:
    """API: DescribeKey: works in every key state."""
    key = resolve(self.current_account, self.region, _parameters(self)["KeyId"])
    metadata = key.to_dict()["KeyMetadata"]
    return json.dumps(
        {"KeyMetadata": {**metadata, "MacAlgorithms": MAC_ALGORITHMS.get(key.key_spec)}}
    )


def _parameters(response: KmsResponse) -> Parameters:
    parameters: Parameters = json.loads(response.body)
    return parameters


def _usable(
    response: KmsResponse,
    asked: Parameters,
    usage: str,
    offered: dict[str, list[str]],
    algorithm: str,
) -> Key:
    """The key, if its state, usage and spec allow the operation.

    API: Sign, errors: InvalidKeyUsageException, where moto says ValidationException.
    """
    key = resolve(response.current_account, response.region, asked["KeyId"])
    _check_state(key)
    if key.key_usage != usage or algorithm not in offered.get(key.key_spec, []):
        raise KmsRefusal(
            "InvalidKeyUsageException",
            f"{key.arn} key usage is {key.key_usage} which is not valid for this operation, or "
            f"its key spec {key.key_spec} does not offer {algorithm}",
        )
    return key


def _check_state(key: Key) -> None:
    """Developer Guide, "Key states of AWS KMS keys". moto signs whatever the state."""
    if key.key_state == "Disabled":
        raise KmsRefusal("DisabledException", f"{key.arn} is disabled.")
    if key.key_state == "PendingDeletion":
        raise KmsRefusal("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def _check_length(message: bytes, kind: str, algorithm: str) -> None:
    """API: Sign (Message, MessageType). moto takes any length."""
    if kind == "RAW":
        fits = 1 <= len(message) <= 4096
    elif kind == "EXTERNAL_MU":
        fits = algorithm.startswith("ML_DSA") and len(message) == 64
    else:
        bits = int(algorithm.rpartition("_")[2])
        fits = not algorithm.startswith(("ML_DSA", "ED25519_SHA")) and len(message) == bits // 8
    if not fits:
        raise KmsRefusal(
            "ValidationException", f"Digest or message is invalid length for {algorithm}."
        )


def _check_dry_run(asked: Parameters) -> None:
    """Developer Guide, "Testing your permissions": DryRun always fails, when all is well too."""
    if asked.get("DryRun"):
        raise KmsRefusal(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )
