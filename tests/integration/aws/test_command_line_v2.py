"""The ``aws`` command line in version 2: it says things its own way, and must be understood too."""

from pathlib import Path

import pytest

from tests.integration.aws.cloud import Cloud


def _sign(cloud: Cloud, audit: Path, key: str, *more: str, **changes: str) -> tuple[int, str, str]:
    environ = {**cloud.environ, **changes}
    done = cloud.sign(
        audit,
        *("--provider", "aws_kms", "--aws-kms-key", key, "--provider-timeout", "12s", *more),
        environ={name: value for name, value in environ.items() if value},
    )
    return done.code, done.error, done.err


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("RSA_2048", "RSASSA_PSS_SHA_384"),
        ("ECC_NIST_P256", "ECDSA_SHA_256"),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
        ("ML_DSA_44", "ML_DSA_SHAKE_256"),
    ],
)
def test_every_message_type(cloud_v2: Cloud, audit: Path, spec: str, algorithm: str) -> None:
    cloud_v2.key(spec)
    code, _, said = _sign(cloud_v2, audit, f"alias/{spec}", "--algorithm", algorithm)
    assert code == 0, said
    key = ["--key", f"{audit}.pub", "--algorithm", algorithm]
    assert cloud_v2.signer("verify", str(audit), *key).code == 0


def test_what_the_service_answers(cloud_v2: Cloud, audit: Path) -> None:
    code, error, said = _sign(cloud_v2, audit, "alias/nonesuch")
    assert (code, error) == (3, "aws-key-not-found"), said
    cloud_v2.key()
    cloud_v2.fail("kms:Sign", "AccessDeniedException", "User: u is not authorized", status=400)
    code, error, said = _sign(cloud_v2, audit, "alias/ECC_NIST_P256")
    assert (code, error) == (3, "aws-access-denied"), said


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "aws-credentials-missing"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "aws-region-missing"),
        ({"AWS_PROFILE": "nonesuch"}, "aws-profile-missing"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "aws-unreachable"),
    ],
)
def test_what_fails_on_this_side(
    cloud_v2: Cloud, audit: Path, changes: dict[str, str], error: str
) -> None:
    code, found, said = _sign(cloud_v2, audit, "alias/x", **changes)
    assert (code, found) == (3, error), said
