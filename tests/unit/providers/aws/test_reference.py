"""Names of keys, roles and secrets, and the region that follows from them."""

import pytest

from signer.errors import UsageError
from signer.providers.aws.reference import choose_region, parse_key, parse_role, parse_secret

ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
MRK = "mrk-1234abcd12ab34cd56ef1234567890ab"
ARN = "arn:aws:kms:eu-central-1:111122223333"


@pytest.mark.parametrize(
    ("text", "name", "region", "is_alias"),
    [
        (ID, ID, None, False),
        (MRK, MRK, None, False),
        ("alias/policy/audit-1_x", "alias/policy/audit-1_x", None, True),
        (f"{ARN}:key/{ID}", ID, "eu-central-1", False),
        (f"{ARN}:key/{MRK}", MRK, "eu-central-1", False),
        (f"{ARN}:alias/a", "alias/a", "eu-central-1", True),
        (f"arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/{ID}", ID, "us-gov-west-1", False),
        (f"arn:aws-cn:kms:cn-north-1:111122223333:key/{ID}", ID, "cn-north-1", False),
    ],
)
def test_a_key_has_many_names(text: str, name: str, region: str | None, is_alias: bool) -> None:
    key = parse_key(text)
    assert (key.text, key.name, key.region, key.is_alias) == (text, name, region, is_alias)
    assert key.is_key_arn is (region is not None and not is_alias)
    assert (key.account is None) is (region is None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "policy-audit",
        "alias/",
        "alias/ü",
        f"alias/{'x' * 251}",
        f"{ARN}:{ID}",
        f"{ARN}:key/alias/a",
        f"arn:aws:s3:eu-central-1:111122223333:key/{ID}",
        f"arn:aws:kms:eu-central-1:1111:key/{ID}",
        f"arn:aws:kms::111122223333:key/{ID}",
        f"{ARN}:key/{ID}\n",
        "--help",
    ],
)
def test_what_names_no_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_key(text)
    assert refusal.value.code == "aws-key-malformed"


@pytest.mark.parametrize(
    ("key", "said", "environ", "region"),
    [
        (f"{ARN}:key/{ID}", None, {}, "eu-central-1"),
        (f"{ARN}:key/{ID}", "eu-central-1", {}, "eu-central-1"),
        (f"{ARN}:alias/a", None, {"AWS_REGION": "us-east-1"}, "eu-central-1"),
        (ID, "us-west-2", {"AWS_REGION": "us-east-1"}, "us-west-2"),
        (ID, None, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "x"}, "us-east-1"),
        (ID, None, {"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        (ID, None, {}, None),
    ],
)
def test_the_region_is_the_arns_else_the_settings_else_the_environments(
    key: str, said: str | None, environ: dict[str, str], region: str | None
) -> None:
    assert choose_region(parse_key(key), said, environ) == region


def test_two_regions_are_an_error_that_names_both() -> None:
    with pytest.raises(UsageError) as refusal:
        choose_region(parse_key(f"{ARN}:key/{ID}"), "us-east-1", {})
    assert refusal.value.code == "aws-region-conflict"
    assert "us-east-1" in refusal.value.message
    assert "eu-central-1" in refusal.value.message


def test_roles() -> None:
    role = parse_role("arn:aws:iam::111122223333:role/ci/policy-audit")
    assert (role.partition, role.account) == ("aws", "111122223333")
    for text in ("policy-audit", "arn:aws:iam::111122223333:user/x", "arn:aws:iam::1:role/x"):
        with pytest.raises(UsageError) as refusal:
            parse_role(text)
        assert refusal.value.code == "aws-role-malformed"


def test_secrets() -> None:
    named = parse_secret("aws-secretsmanager:policy/audit-key")
    assert (named.text, named.region) == ("policy/audit-key", None)
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:policy-AbCdEf"
    assert parse_secret(f"aws-secretsmanager:{arn}").region == "eu-central-1"
    for text in ("", " x", "a b", "arn:aws:kms:eu-central-1:111122223333:key/x"):
        with pytest.raises(UsageError) as refusal:
            parse_secret(f"aws-secretsmanager:{text}")
        assert refusal.value.code == "aws-secret-malformed"
