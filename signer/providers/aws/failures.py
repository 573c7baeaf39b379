"""Each answer AWS can give, with a code of our own and a remedy of its own.

Sources: AWS KMS API reference, the errors of ``Sign``, ``GetPublicKey``, ``GenerateMac`` and
"Common errors"; STS API reference, ``AssumeRoleWithWebIdentity``; Secrets Manager API reference,
``GetSecretValue``; botocore's exceptions for what fails on this side.

``AccessDeniedException``, ``ThrottlingException``, ``ExpiredTokenException`` and
``ValidationException`` are in no service model: what counts is the code alone.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from signer.errors import ProviderError
from signer.providers.aws.calls import AwsFailure


@dataclass(frozen=True, slots=True)
class Place:
    """What an error names: the key or secret that was asked for, and where.

    Attributes:
        resource: as the user named it.
        region: the region that was asked; None where it is AWS's own configuration's.
    """

    resource: str
    region: str | None


@dataclass(frozen=True, slots=True)
class _Remedy:
    code: str
    fix: str


_NEW_CREDENTIALS = "sign in again right before this step, or use aws-role-to-assume."
_CREDENTIALS = _Remedy(
    "aws-credentials-invalid",
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: all three must come "
    "from the same place; or use aws-role-to-assume.",
)
_EXPIRED = _Remedy("aws-credentials-expired", f"the credentials are too old: {_NEW_CREDENTIALS}")
_NO_CREDENTIALS = _Remedy(
    "aws-credentials-missing",
    "set aws-role-to-assume (and `permissions: id-token: write`), or give AWS credentials in the "
    "environment.",
)
_NO_REGION = _Remedy(
    "aws-region-missing", "set aws-region or AWS_REGION, or name the key by its whole ARN."
)
_THROTTLED = _Remedy(
    "aws-throttled",
    "too many requests in this account and region: sign fewer files at once, raise "
    "provider-timeout, or ask for a higher quota of cryptographic operations.",
)
_SERVICE = _Remedy("aws-service-failed", "AWS itself failed: run the job again a little later.")
_UNREACHABLE = _Remedy(
    "aws-unreachable",
    "check the runner's network, DNS, a VPC endpoint's policy and AWS_ENDPOINT_URL; is {region} "
    "the right region?",
)
_VALIDATION = _Remedy(
    "aws-validation", "check aws-kms-key and algorithm against what AWS says here."
)
_CLOCK = _Remedy(
    "aws-clock-skew",
    "set this machine's clock (AWS allows 5 minutes): its signature of the "
    "request is of another time.",
)
_KEY_STATE = _Remedy(
    "aws-key-state", "look at the key's state with `aws kms describe-key --key-id {resource}`."
)

_REMEDIES: Mapping[str, _Remedy] = {
    "NotFoundException": _Remedy(
        "aws-key-not-found",
        "{region} was asked for {resource}: check the name, aws-region and the account; a key of "
        "another account must be named by its ARN.",
    ),
    "DisabledException": _Remedy(
        "aws-key-disabled",
        "enable it with `aws kms enable-key --key-id {resource}`, or use another key.",
    ),
    "KMSInvalidStateException": _KEY_STATE,
    "KMSInvalidState": _KEY_STATE,
    "InvalidKeyUsageException": _Remedy(
        "aws-key-usage",
        "use a key with the usage SIGN_VERIFY (or GENERATE_VERIFY_MAC with an HMAC algorithm) "
        "and an algorithm that it offers.",
    ),
    "UnsupportedOperationException": _Remedy(
        "aws-key-usage", "use an asymmetric key with the usage SIGN_VERIFY, or an HMAC key."
    ),
    "InvalidArnException": _VALIDATION,
    "ValidationException": _VALIDATION,
    "ValidationError": _VALIDATION,
    "InvalidParameterException": _VALIDATION,
    "ParamValidationError": _VALIDATION,
    "ThrottlingException": _THROTTLED,
    "Throttling": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "RequestLimitExceeded": _THROTTLED,
    "LimitExceededException": _THROTTLED,
    "KMSInternalException": _SERVICE,
    "DependencyTimeoutException": _SERVICE,
    "KeyUnavailableException": _Remedy(
        "aws-key-unavailable",
        "the key's store did not answer: run the job again; for an external or CloudHSM key "
        "store look at its connection.",
    ),
    "InternalFailure": _SERVICE,
    "InternalServerError": _SERVICE,
    "InternalServiceError": _SERVICE,
    "ServiceUnavailable": _SERVICE,
    "ExpiredTokenException": _EXPIRED,
    "ExpiredToken": _EXPIRED,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestInTheFuture": _CLOCK,
    "UnrecognizedClientException": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidSignatureException": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "IncompleteSignature": _CREDENTIALS,
    "IncompleteSignatureException": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "MissingAuthenticationToken": _NO_CREDENTIALS,
    "MissingAuthenticationTokenException": _NO_CREDENTIALS,
    "NoCredentialsError": _NO_CREDENTIALS,
    "CredentialRetrievalError": _NO_CREDENTIALS,
    "MissingDependencyException": _NO_CREDENTIALS,  # the login of `aws login` needs awscrt
    "ProfileNotFound": _Remedy(
        "aws-profile-missing", "check AWS_PROFILE, or unset it to use other credentials."
    ),
    "UnauthorizedSSOTokenError": _EXPIRED,
    "SSOTokenLoadError": _EXPIRED,
    "LoginTokenLoadError": _EXPIRED,
    "TokenRetrievalError": _EXPIRED,
    "NoRegionError": _NO_REGION,
    "InvalidRegionError": _NO_REGION,
    "OptInRequired": _Remedy(
        "aws-region-disabled", "enable {region} for this account, or use a key of another region."
    ),
    "RegionDisabledException": _Remedy(
        "aws-region-disabled", "enable STS in {region} for this account, or use another region."
    ),
    "SSLError": _Remedy(
        "aws-tls",
        "the endpoint's certificate is not trusted: give the network's own authority in "
        "AWS_CA_BUNDLE (a path inside the container).",
    ),
    "ProxyConnectionError": _Remedy(
        "aws-proxy", "check HTTPS_PROXY and NO_PROXY, and whether the proxy lets AWS through."
    ),
    "InvalidProxiesConfigError": _Remedy("aws-proxy", "check HTTPS_PROXY: it is no proxy's URL."),
    "EndpointConnectionError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "ReadTimeoutError": _UNREACHABLE,
    "ConnectionClosedError": _UNREACHABLE,
    "ConnectionError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,
    "InvalidEndpointError": _UNREACHABLE,
    "UnknownEndpointError": _UNREACHABLE,
    "ResourceNotFoundException": _Remedy(
        "aws-secret-not-found",
        "{region} was asked for the secret {resource}: check its name, aws-region and account.",
    ),
    "DecryptionFailure": _Remedy(
        "aws-secret-undecryptable",
        "allow kms:Decrypt on the key that encrypts the secret {resource}.",
    ),
    "InvalidRequestException": _Remedy(
        "aws-secret-state", "check whether the secret {resource} is scheduled for deletion."
    ),
}

_OTHER = _Remedy("aws-failed", "look up the code in the AWS KMS API reference.")

_DELETION = re.compile(r"pending (?:replica )?deletion", re.IGNORECASE)
_SKEW = re.compile(r"(?:expired|not yet current|is now (?:earlier|later))", re.IGNORECASE)
# IAM User Guide, "Troubleshoot access denied error messages".
_AUTHORIZED = re.compile(
    r"(?:User: (?P<principal>\S+) is )?not authorized to perform:? (?P<action>[\w-]+:\w+)"
    r"(?: on resource: (?P<resource>[^\s,]+))?"
)
_EXPLICIT = re.compile(r"explicit deny in (?:an? )?([\w -]+?policy)", re.IGNORECASE)


def explain(failure: AwsFailure, operation: str, place: Place) -> ProviderError:
    """The error for a user, with what AWS said and what to do about it.

    Args:
        failure: the answer.
        operation: what was asked, such as ``kms:Sign``.
        place: the key or secret, and the region that was asked.
    """
    said = f"{operation} failed: {failure.code}: {failure.message or 'no reason given'}"
    if failure.code in ("AccessDeniedException", "AccessDenied", "NotAuthorizedException"):
        return ProviderError("aws-access-denied", said, fix=_permission(failure, operation, place))
    remedy = _remedy(failure)
    where = place.region or "the region of the AWS configuration"
    fix = remedy.fix.replace("{resource}", place.resource).replace("{region}", where)
    return ProviderError(remedy.code, f"{said} (asked for {place.resource} in {where})", fix=fix)


def _remedy(failure: AwsFailure) -> _Remedy:
    if failure.code.startswith("KMSInvalidState") and _DELETION.search(failure.message):
        return _Remedy(
            "aws-key-pending-deletion",
            "stop it with `aws kms cancel-key-deletion` and enable the key, while there is time, "
            "or use another key.",
        )
    if failure.code in ("InvalidSignatureException", "SignatureDoesNotMatch") and _SKEW.search(
        failure.message
    ):
        return _CLOCK
    return _REMEDIES.get(failure.code, _OTHER)


def _permission(failure: AwsFailure, operation: str, place: Place) -> str:
    match = _AUTHORIZED.search(failure.message)
    action = match["action"] if match else operation
    resource = match["resource"] if match and match["resource"] else place.resource
    who = match["principal"] if match and match["principal"] else "the credential in use"
    explicit = _EXPLICIT.search(failure.message)
    if explicit:
        return f"an explicit deny in {explicit[1]} stops {who}: take it out, or narrow it."
    statement = json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
    return (
        f"allow it to {who}, in its IAM policy and, where the key is another account's, in the "
        f"key policy too: {statement}"
    )
