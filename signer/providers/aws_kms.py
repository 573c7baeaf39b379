"""AWS KMS through the ``aws`` command line, where that is what is there.

The same keys, permissions and outputs as ``aws_kms_sdk``; each call is a process of its own.
"""

from signer.crypto.keys import PublicKey
from signer.providers.aws import key as aws_key
from signer.providers.aws.access import Access
from signer.providers.aws.cli import CliCalls
from signer.providers.aws.reference import choose_region, parse_key
from signer.providers.command_line import Commands


def open_key(
    key: str,
    access: Access,
    algorithm: str | None = None,
    pinned: PublicKey | None = None,
    *,
    dated: bool = False,
) -> aws_key.AwsKmsKey:
    """The provider for a key of AWS KMS; see `signer.providers.aws_kms_sdk.open_key`.

    Raises:
        UsageError: a setting does not fit the key, or another setting.
        ProviderError: ``command-missing``, or what AWS answered.
    """
    reference = parse_key(key)
    region = choose_region(reference, access.region, access.host.environ)
    return aws_key.open_key(
        "aws_kms",
        CliCalls(region, access.host.environ, Commands(access.host.cleanup), access.timeout),
        reference,
        region,
        access,
        algorithm=algorithm,
        pinned=pinned,
        dated=dated,
    )
