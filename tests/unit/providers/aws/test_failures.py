"""Each answer of AWS has a code and a remedy of its own."""

import json

import pytest

from signer.providers.aws.calls import AwsFailure
from signer.providers.aws.failures import Place, explain

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PLACE = Place("alias/audit", "eu-central-1")

ANSWERS = [
    ("NotFoundException", "Alias arn:… is not found.", "aws-key-not-found", "eu-central-1"),
    ("DisabledException", f"{KEY} is disabled.", "aws-key-disabled", "enable-key"),
    (
        "KMSInvalidStateException",
        f"{KEY} is pending deletion.",
        "aws-key-pending-deletion",
        "cancel",
    ),
    ("KMSInvalidStateException", f"{KEY} is pending import.", "aws-key-state", "describe-key"),
    ("InvalidKeyUsageException", "key usage is ENCRYPT_DECRYPT", "aws-key-usage", "SIGN_VERIFY"),
    ("UnsupportedOperationException", "", "aws-key-usage", "asymmetric"),
    ("ThrottlingException", "Rate exceeded", "aws-throttled", "quota"),
    (
        "ExpiredTokenException",
        "The security token … is expired",
        "aws-credentials-expired",
        "again",
    ),
    ("UnrecognizedClientException", "token invalid", "aws-credentials-invalid", "AWS_SESSION"),
    ("InvalidSignatureException", "signature does not match", "aws-credentials-invalid", "AWS_"),
    (
        "InvalidSignatureException",
        "Signature expired: 20261124T000000Z is now earlier than 20261124T001000Z",
        "aws-clock-skew",
        "clock",
    ),
    ("KMSInternalException", "", "aws-service-failed", "later"),
    ("DependencyTimeoutException", "", "aws-service-failed", "later"),
    ("KeyUnavailableException", "", "aws-key-unavailable", "key store"),
    ("ValidationException", "1 validation error", "aws-validation", "aws-kms-key"),
    ("NoCredentialsError", "", "aws-credentials-missing", "aws-role-to-assume"),
    ("MissingDependencyException", "pip install", "aws-credentials-missing", "aws-role-to-assume"),
    ("LoginTokenLoadError", "Please reauthenticate", "aws-credentials-expired", "sign in again"),
    ("NoRegionError", "You must specify a region.", "aws-region-missing", "aws-region"),
    ("ProfileNotFound", "", "aws-profile-missing", "AWS_PROFILE"),
    ("SSLError", "CERTIFICATE_VERIFY_FAILED", "aws-tls", "AWS_CA_BUNDLE"),
    ("ProxyConnectionError", "", "aws-proxy", "HTTPS_PROXY"),
    ("EndpointConnectionError", "", "aws-unreachable", "network"),
    ("ReadTimeoutError", "", "aws-unreachable", "network"),
    ("ResourceNotFoundException", "", "aws-secret-not-found", "alias/audit"),
    ("SomethingNew", "of next year", "aws-failed", "SomethingNew"),
]


@pytest.mark.parametrize(("code", "message", "ours", "words"), ANSWERS)
def test_every_answer_has_a_remedy(code: str, message: str, ours: str, words: str) -> None:
    error = explain(AwsFailure(code, message, "request-1"), "kms:Sign", PLACE)
    assert (error.code, error.exit_code) == (ours, 3)
    assert code in error.message
    assert message in error.message
    assert words in error.fix or words in error.message
    assert "{" not in error.fix


def test_a_denied_call_says_who_may_not_do_what_and_the_statement_that_would_allow_it() -> None:
    who = "arn:aws:sts::111122223333:assumed-role/ci/example-policies-7"
    message = (
        f"User: {who} is not authorized to perform: kms:Sign on resource: {KEY} because no "
        "identity-based policy allows the kms:Sign action"
    )
    error = explain(AwsFailure("AccessDeniedException", message), "kms:Sign", PLACE)
    assert error.code == "aws-access-denied"
    assert who in error.fix
    statement = json.loads(error.fix[error.fix.index("{") :])
    assert statement == {"Effect": "Allow", "Action": "kms:Sign", "Resource": KEY}


def test_an_explicit_deny_is_named() -> None:
    message = (
        f"User: arn:aws:iam::111122223333:user/ci is not authorized to perform: kms:Sign on "
        f"resource: {KEY} with an explicit deny in a service control policy"
    )
    error = explain(AwsFailure("AccessDeniedException", message), "kms:Sign", PLACE)
    assert "explicit deny in service control policy" in error.fix


def test_a_denied_call_without_details_is_told_from_what_was_asked() -> None:
    error = explain(AwsFailure("AccessDeniedException", ""), "kms:GetPublicKey", PLACE)
    assert '"Action": "kms:GetPublicKey", "Resource": "alias/audit"' in error.fix
