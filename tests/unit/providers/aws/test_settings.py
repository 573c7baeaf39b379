"""The AWS settings: what contradicts what, and what would be ignored."""

import pytest

from signer.errors import SettingsError
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import Settings, SignSettings, VerifySettings

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/policy-audit"
SECRET = {"POLICY_SIGNING_KEY": "aws-secretsmanager:policy-audit"}


def _load(
    said: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    model: type[Settings] = SignSettings,
) -> Settings:
    given = {name: Given(f"input {name}", value) for name, value in (said or {}).items()}
    return load(model, {"audit-file": Given("AUDIT", "a"), **given}, environ or {})


def _problems(
    said: dict[str, str] | None = None, environ: dict[str, str] | None = None
) -> list[str]:
    with pytest.raises(SettingsError) as refusal:
        _load(said, environ)
    return [problem.code for problem in refusal.value.problems]


def test_the_guides_variables_hold() -> None:
    environ = {"POLICY_SIGNING_PROVIDER": "aws_kms_sdk", "POLICY_AWS_KMS_KEY": KEY}
    settings = _load(environ=environ)
    assert (settings.provider, settings.aws_kms_key) == ("aws_kms_sdk", KEY)
    assert settings.aws_audience == "sts.amazonaws.com"
    assert settings.provider_timeout.total_seconds() == 60


@pytest.mark.parametrize("provider", ["aws_kms", "aws_kms_sdk"])
def test_a_provider_needs_its_key(provider: str) -> None:
    assert _problems({"provider": provider}) == ["setting-missing"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("aws-kms-key", KEY), ("aws-region", "eu-central-1"), ("aws-role-to-assume", ROLE)],
)
def test_settings_without_a_provider_are_an_error(name: str, value: str) -> None:
    assert _problems({name: value}) == ["setting-conflict"]


def test_a_secret_that_is_fetched_needs_access_but_no_provider() -> None:
    settings = _load({"aws-role-to-assume": ROLE, "aws-region": "eu-central-1"}, SECRET)
    assert settings.aws_role_to_assume == ROLE
    assert _problems({"aws-kms-key": KEY}, SECRET) == ["setting-conflict"]


def test_every_wrong_setting_is_told_at_once() -> None:
    found = _problems(
        {
            "provider": "aws_kms_sdk",
            "aws-kms-key": "policy audit",
            "aws-role-to-assume": "policy-audit",
            "aws-region": "Frankfurt",
            "provider-timeout": "forever",
        }
    )
    assert found == ["setting-invalid"] * 4


def test_an_arn_of_another_region_is_told_with_all_other_problems() -> None:
    said = {"provider": "aws_kms", "aws-kms-key": KEY, "aws-region": "us-east-1"}
    assert _problems({**said, "overwrite": "perhaps"}) == ["aws-region-conflict", "setting-invalid"]


def test_a_secret_reference_is_read_before_anything_is_asked() -> None:
    environ = {"POLICY_SIGNING_KEY": "aws-secretsmanager:not a name"}
    assert _problems(environ=environ) == ["aws-secret-malformed"]


def test_an_audience_without_a_role_is_an_error() -> None:
    said = {"provider": "aws_kms", "aws-kms-key": KEY, "aws-audience": "x"}
    assert _problems(said) == ["setting-conflict"]


def test_a_public_key_pins_aws_keys_only() -> None:
    pinned = _load({"provider": "aws_kms_sdk", "aws-kms-key": KEY, "public-key": "k.pem"})
    assert pinned.public_key is not None
    assert _problems({"provider": "kms", "public-key": "k.pem"}) == ["setting-conflict"]


def test_a_mac_of_kms_is_verified_with_the_provider() -> None:
    settings = _load({"provider": "aws_kms_sdk", "aws-kms-key": KEY}, model=VerifySettings)
    assert settings.provider == "aws_kms_sdk"


def test_a_trusted_key_needs_nothing_of_the_provider() -> None:
    environ = {"POLICY_SIGNING_PROVIDER": "aws_kms_sdk"}
    settings = _load({"public-key": "k.pem"}, environ, VerifySettings)
    assert settings.aws_kms_key is None
    with pytest.raises(SettingsError):
        _load(environ=environ, model=VerifySettings)
