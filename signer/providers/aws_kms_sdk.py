"""AWS KMS through boto3: the recommended provider (assurance ``managed-key``).

Needs, on the key: ``kms:GetPublicKey`` and ``kms:Sign``; only ``kms:Sign`` where the public key
is pinned; for an HMAC key ``kms:GenerateMac`` and ``kms:VerifyMac``, unless key ARN and algorithm
are both named ``kms:DescribeKey``, and without an algorithm ``kms:GetPublicKey`` too. Where a
signing policy limits the key's age, also ``kms:DescribeKey``. docs/aws.md has the policies.
"""

from signer.crypto.keys import PublicKey
from signer.providers.aws import key as aws_key
from signer.providers.aws.access import Access
from signer.providers.aws.reference import choose_region, parse_key
from signer.providers.aws.sdk import SdkCalls


def open_key(
    key: str,
    access: Access,
    algorithm: str | None = None,
    pinned: PublicKey | None = None,
    *,
    dated: bool = False,
) -> aws_key.AwsKmsKey:
    """The provider for a key of AWS KMS.

    Args:
        key: id, ARN, ``alias/NAME`` or alias ARN.
        access: how to get at AWS.
        algorithm: what the user asked for, in AWS's or Azure's name; None for the key's default.
        pinned: the key's public key, where the user has it already.
        dated: whether it will be asked when the key was made.

    Raises:
        UsageError: a setting does not fit the key, or another setting.
        ProviderError: what AWS answered.
    """
    reference = parse_key(key)
    region = choose_region(reference, access.region, access.host.environ)
    return aws_key.open_key(
        "aws_kms_sdk",
        SdkCalls(region, access.timeout),
        reference,
        region,
        access,
        algorithm=algorithm,
        pinned=pinned,
        dated=dated,
    )
