"""Settings: where they come from, and how every wrong one is named."""

from pathlib import Path
from typing import Any

import pytest

from signer.assurance import Assurance
from signer.errors import SettingsError
from signer.kms.directory import default_directory
from signer.settings.conflicts import NOT_YET
from signer.settings.given import Given, variable_for
from signer.settings.load import load, misspelt
from signer.settings.models import (
    Settings,
    SignSettings,
    VerifySettings,
    fields_of,
)

SECRET = "0123456789abcdef0123456789abcdef"


def _load(
    model: type[Settings] = SignSettings, environ: dict[str, str] | None = None, /, **said: str
) -> Any:
    given = {"audit-file": "audit.jsonl"} | {
        name.replace("_", "-"): value for name, value in said.items()
    }
    return load(
        model,
        {name: Given(f"input {name}", value) for name, value in given.items()},
        environ or {},
    )


def _problems(
    model: type[Settings] = SignSettings, environ: dict[str, str] | None = None, /, **said: str
) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(model, environ, **said)
    assert caught.value.exit_code == 2
    return [f"{problem.code}: {problem.message} {problem.fix}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("model", "name", "value", "allowed"),
    [
        (SignSettings, "mode", "Sign", "'sign', 'verify' or 'doctor'"),
        (SignSettings, "if-no-files-found", "never", "'error', 'warn' or 'ignore'"),
        (SignSettings, "provider", "aws", "'hmac' or 'sha256'"),
        (SignSettings, "audit-format", "yaml", "'jsonl', 'json', 'sarif' or 'bytes'"),
        (SignSettings, "event-pointer", "results", "starts with /"),
        (SignSettings, "algorithm", "ECDSA", "ECDSA_SHA_256"),
        (SignSettings, "algorithm", "ecdsa_sha_256", "did you mean ECDSA_SHA_256"),
        (SignSettings, "overwrite", "yes", "true or false"),
        (SignSettings, "plain-signature", "1", "true or false"),
        (SignSettings, "show-summary", "on", "true or false"),
        (SignSettings, "minimum-assurance", "managed", "'managed-key'"),
        (VerifySettings, "type", "all", "'policy-audit' or 'any'"),
        (VerifySettings, "max-age", "24", "90m, 24h or 30d"),
        (VerifySettings, "max-age", "-1h", "90m, 24h or 30d"),
        (VerifySettings, "max-age", "1h30m", "90m, 24h or 30d"),
        (VerifySettings, "max-age", "\N{ARABIC-INDIC DIGIT THREE}d", "90m, 24h or 30d"),
        (VerifySettings, "expect", "branch=main", "repository_id"),
        (VerifySettings, "expect", "sha", "NAME=VALUE"),
        (VerifySettings, "expect", "sha=a\nsha=b", "two different values"),
        (VerifySettings, "integrity-only", "maybe", "true or false"),
    ],
)
@pytest.mark.parametrize("source", ["said", "environment"])
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    model: type[Settings], name: str, value: str, allowed: str, source: str
) -> None:
    trust = (
        {"public_key": "key.pub"} if model is VerifySettings and name != "integrity-only" else {}
    )
    if source == "said":
        problems = _problems(model, **trust, **{name: value})
        label = f"input {name}"
    else:
        label = variable_for(name)
        problems = _problems(model, {label: value}, **trust)
    [problem] = problems
    assert label in problem
    assert repr(value.split("\n")[0])[1:-1] in problem
    assert allowed in problem


def test_all_wrong_settings_are_reported_at_once() -> None:
    problems = _problems(
        SignSettings,
        {"POLICY_OVERWRITE": "si", "POLICY_ARCHIVE": "s3://x", "POLICY_SIGNING_KEY": ""},
        provider="gcp",
        algorithm="MD5",
        audit_format="xml",
        event_pointer="x",
    )
    text = "\n".join(problems)
    wrong = ("POLICY_OVERWRITE", "POLICY_ARCHIVE", "POLICY_SIGNING_KEY", "provider", "algorithm")
    for name in (*wrong, "audit-format", "event-pointer"):
        assert name in text
    assert len(problems) == 7


def test_what_is_said_wins_over_the_environment_and_empty_is_unset() -> None:
    environ = {"POLICY_SIGNING_PROVIDER": "sha256", "POLICY_MINIMUM_ASSURANCE": "  "}
    assert _load(SignSettings, environ).provider == "sha256"
    assert _load(SignSettings, environ, provider="kms").provider == "kms"
    assert _load(SignSettings, environ, provider="").provider == "sha256"
    assert _load(SignSettings, environ, provider=" \n").provider == "sha256"
    assert _load(SignSettings, environ).minimum_assurance is Assurance.DIGEST


def test_a_wrong_environment_is_not_looked_at_where_the_input_is_set() -> None:
    assert _load(SignSettings, {"POLICY_OVERWRITE": "perhaps"}, overwrite="True").overwrite is True


def test_audit_files_are_lines_without_the_white_space_around_them() -> None:
    settings = _load(audit_file=" a b.jsonl \r\n\n  reports/*.sarif\n!reports/old.sarif\n")
    assert settings.audit_file == ("a b.jsonl", "reports/*.sarif", "!reports/old.sarif")


@pytest.mark.parametrize("between", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_line_feed_ends_a_line(between: str) -> None:
    """Else a file name that a shell's glob found could leave another file out."""
    assert len(_load(audit_file=f"a{between}!audit.jsonl").audit_file) == 1


def test_a_missing_audit_file_says_both_names() -> None:
    [problem] = _problems(audit_file="\n \n")
    assert "setting-missing" in problem
    assert "audit-file" in problem
    assert "POLICY_AUDIT_FILE" in problem


def test_an_empty_secret_is_an_error_whatever_else_is_chosen() -> None:
    for said in ({}, {"provider": "kms"}, {"provider": "sha256"}):
        [problem] = _problems(SignSettings, {"POLICY_SIGNING_KEY": ""}, **said)
        assert problem.startswith("secret-empty: POLICY_SIGNING_KEY")
    [problem] = _problems(VerifySettings, {"POLICY_SIGNING_KEY": ""}, hmac="true")
    assert problem.startswith("secret-empty")


@pytest.mark.parametrize(
    ("model", "said"),
    [(SignSettings, {"provider": "hmac"}), (VerifySettings, {"hmac": "TRUE"})],
)
def test_hmac_without_its_secret_never_falls_back(
    model: type[Settings], said: dict[str, str]
) -> None:
    [problem] = _problems(model, **said)
    assert problem.startswith("secret-missing")
    assert "POLICY_SIGNING_KEY" in problem


def test_the_secret_is_kept_byte_for_byte_and_is_never_shown() -> None:
    key = f"  {SECRET}é\n"
    settings = _load(SignSettings, {"POLICY_SIGNING_KEY": key})
    assert settings.signing_key.get_secret_value() == key.encode()
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert SECRET not in settings.model_dump_json()


def test_no_problem_shows_the_secret() -> None:
    problems = _problems(SignSettings, {"POLICY_SIGNING_KEY": SECRET}, provider="x", overwrite="y")
    assert SECRET not in "\n".join(problems)


def test_a_secret_that_is_not_utf8_keeps_its_bytes() -> None:
    environ = {"POLICY_SIGNING_KEY": b"\xff\xfe0123456789abcdef".decode("utf-8", "surrogateescape")}
    assert (
        _load(SignSettings, environ).signing_key.get_secret_value() == b"\xff\xfe0123456789abcdef"
    )


@pytest.mark.parametrize("name", ["kms-key", "kms-directory"])
def test_settings_of_a_provider_that_is_not_chosen_are_refused(name: str) -> None:
    [problem] = _problems(**{name: "x"})
    assert problem.startswith(f"setting-conflict: input {name}")
    assert "no provider is chosen" in problem
    [problem] = _problems(SignSettings, {variable_for(name): "x", "POLICY_SIGNING_KEY": SECRET})
    assert variable_for(name) in problem
    assert _load(provider="kms", **{name: "x"})


def test_the_providers_variable_under_the_name_that_others_have_is_not_ignored() -> None:
    [problem] = _problems(SignSettings, {"POLICY_PROVIDER": "kms"})
    assert problem.startswith("setting-conflict: POLICY_PROVIDER is set")
    assert _load(SignSettings, {"POLICY_PROVIDER": "aws"}, provider="kms").provider == "kms"


@pytest.mark.parametrize("name", NOT_YET)
@pytest.mark.parametrize("model", [SignSettings, VerifySettings])
def test_what_only_a_later_version_has_is_refused_and_not_ignored(
    model: type[Settings], name: str
) -> None:
    trust = {"public_key": "key.pub"} if model is VerifySettings else {}
    [problem] = _problems(model, {variable_for(name): "x"}, **trust)
    assert problem.startswith(f"setting-not-supported: {variable_for(name)}")
    [problem] = _problems(model, **trust, **{name: "x"})
    assert problem.startswith(f"setting-not-supported: input {name}")


def test_policies_and_archives_are_among_what_is_refused() -> None:
    assert variable_for("archive") == "POLICY_ARCHIVE"
    assert variable_for("signing-policy") == "POLICY_SIGNING_POLICY"
    assert {"archive", "signing-policy"} <= set(NOT_YET) | set(fields_of(SignSettings))


@pytest.mark.parametrize(
    "said",
    [
        {"public_key": "k.pub", "hmac": "true"},
        {"public_key": "k.pub", "integrity_only": "true"},
        {"hmac": "true", "integrity_only": "true"},
        {"public_key": "k.pub", "hmac": "true", "integrity_only": "true"},
        {"public_key": "k.pub", "provider": "kms"},
        {"public_key": "k.pub", "trusted_keys": "t.yml"},
        {"trusted_keys": "false", "integrity_only": "true"},
        {"trusted_keys": "t.yml", "hmac": "true"},
        {"trusted_keys": "t.yml", "provider": "kms"},
    ],
)
def test_two_kinds_of_trust_are_refused(said: dict[str, str]) -> None:
    problems = _problems(VerifySettings, {"POLICY_SIGNING_KEY": SECRET}, **said)
    assert any("it is not clear what is trusted" in problem for problem in problems)


@pytest.mark.parametrize(
    "said",
    [{}, {"hmac": "false"}, {"provider": "hmac"}, {"provider": "sha256"}, {"algorithm": "ES256"}],
)
def test_no_trust_at_all_is_refused(said: dict[str, str]) -> None:
    [problem] = _problems(VerifySettings, {"POLICY_SIGNING_KEY": SECRET}, **said)
    assert problem.startswith("trust-missing")


def test_an_event_pointer_is_for_json_alone() -> None:
    assert _load(event_pointer="/results", audit_format="json").event_pointer == "/results"
    [problem] = _problems(event_pointer="/results", audit_format="jsonl")
    assert problem.startswith("setting-conflict")


@pytest.mark.parametrize("value", ["\udcff", "caf\udce9"])
def test_a_value_that_is_not_utf8_is_a_problem_and_no_crash(value: str) -> None:
    [problem] = _problems(SignSettings, {"POLICY_SIGNING_PROVIDER": value})
    assert "POLICY_SIGNING_PROVIDER" in problem


def test_the_embedded_kms_lives_in_the_users_data_directory() -> None:
    assert default_directory({"XDG_DATA_HOME": "/d"}) == Path("/d/policy-audit-signer/kms")
    assert default_directory({"HOME": "/h"}) == Path("/h/.local/share/policy-audit-signer/kms")


@pytest.mark.parametrize("provider", ["", "kms", "hmac", "sha256"])
def test_a_provider_that_pins_no_key_takes_none(provider: str) -> None:
    environ = {"POLICY_SIGNING_KEY": SECRET} if provider == "hmac" else {}
    [problem] = _problems(SignSettings, environ, public_key="key.pub", provider=provider)
    assert problem.startswith("setting-conflict: input public-key is set for signing")


def test_a_provider_from_the_environment_alone_is_no_trust() -> None:
    [problem] = _problems(VerifySettings, {"POLICY_SIGNING_PROVIDER": "kms"})
    assert problem.startswith("trust-missing: nothing but POLICY_SIGNING_PROVIDER")
    assert _load(VerifySettings, {"POLICY_SIGNING_PROVIDER": "hmac"}, provider="kms")


@pytest.mark.parametrize(
    "environ",
    [
        {"POLICY_INTEGRITY_ONLY": "true"},
        {"POLICY_HMAC": "true", "POLICY_SIGNING_KEY": SECRET},
        {"POLICY_PUBLIC_KEY": "other.pub"},
    ],
)
def test_no_variable_takes_the_place_of_trust_that_was_said_outright(
    environ: dict[str, str],
) -> None:
    problems = _problems(VerifySettings, environ, provider="kms")
    assert any("it is not clear what is trusted" in problem for problem in problems)
    # A provider in the environment is that of the signing step, and no trust.
    said = {"POLICY_SIGNING_PROVIDER": "kms"}
    assert _load(VerifySettings, said, public_key="k.pub").public_key == Path("k.pub")


def test_what_was_said_outright_is_known() -> None:
    settings = _load(SignSettings, {"POLICY_ALGORITHM": "ES256"}, overwrite="true")
    assert "overwrite" in settings.outright
    assert "algorithm" not in settings.outright


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("POLICY_SIGNIG_POLICY", "POLICY_SIGNING_POLICY"),
        ("POLICY_MINIMUM_ASURANCE", "POLICY_MINIMUM_ASSURANCE"),
        ("POLICY_SIGNINGKEY", "POLICY_SIGNING_KEY"),
        ("POLICY_SIGNING_POLICY", None),
        ("POLICY_SIGNING_KEY", None),
        ("POLICY_ENGINE_VERSION", None),
        ("SIGNIG_POLICY", None),
    ],
)
def test_a_misspelt_variable_is_told(name: str, meant: str | None) -> None:
    told = misspelt({name: "x"})
    assert len(told) == (meant is not None)
    assert all(name in text and str(meant) in text for text in told)


def test_inputs_are_trimmed_as_variables_are() -> None:
    assert _load(output_directory="out\n").output_directory == Path("out")
    [problem] = _problems(SignSettings, output_directory="a\nb")
    assert "control characters" in problem


def test_trusted_keys_say_their_own_algorithm() -> None:
    assert _load(VerifySettings, trusted_keys="false").trusted_keys == Path("false")
    assert _load(VerifySettings, {"POLICY_TRUSTED_KEYS": "t.yml"}).trusted_keys == Path("t.yml")
    for environ, said in (({}, {"algorithm": "ES256"}), ({"POLICY_ALGORITHM": "ES256"}, {})):
        [problem] = _problems(VerifySettings, environ, trusted_keys="t.yml", **said)
        assert "it would be ignored" in problem


def test_a_key_file_may_be_named_false() -> None:
    assert _load(VerifySettings, public_key="false").public_key == Path("false")
    problems = _problems(VerifySettings, public_key="false", integrity_only="true")
    assert any("it is not clear what is trusted" in problem for problem in problems)
