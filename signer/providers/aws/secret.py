"""The HMAC key from AWS Secrets Manager, held in memory only.

Needs ``secretsmanager:GetSecretValue`` on the secret, and ``kms:Decrypt`` where it is encrypted
with a key other than ``aws/secretsmanager``.
Source: Secrets Manager API reference, ``GetSecretValue``.
"""

import base64
from contextlib import suppress

from signer.providers.aws.access import Access
from signer.providers.aws.failures import Place
from signer.providers.aws.policy import secret_statement
from signer.providers.aws.reference import choose_region, parse_secret
from signer.providers.aws.sdk import SdkCalls


def fetch_secret(text: str, access: Access) -> bytes:
    """The bytes of a secret.

    They are ``SecretString`` as UTF-8, without line ends after it, or ``SecretBinary``. Masked is
    each form in which a log could show them: the text, and of bytes base64, as the API has them.

    Args:
        text: ``aws-secretsmanager:NAME_OR_ARN``.
        access: how to sign in.

    Raises:
        UsageError: ``aws-secret-malformed``, ``aws-region-conflict``.
        ProviderError: what AWS answered.
    """
    reference = parse_secret(text)
    region = choose_region(reference, access.region, access.host.environ)
    api = access.open(
        SdkCalls(region, access.timeout),
        Place(reference.text, region),
        lambda role: secret_statement(reference, region, role),
    )
    answer = api.ask("secretsmanager:GetSecretValue", SecretId=reference.text)
    if "SecretBinary" in answer:
        content = bytes(answer["SecretBinary"])
        access.host.mask(base64.b64encode(content).decode("ascii"))
        with suppress(UnicodeDecodeError):
            access.host.mask(content.decode())
        return content
    secret = str(answer["SecretString"]).rstrip("\r\n")
    access.host.mask(secret)
    return secret.encode()
