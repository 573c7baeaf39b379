"""The age of the key: the gate by day, the warning, the statement, and the auditor years later."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from signer.audit.statement import format_time
from signer.cli import parser
from signer.errors import ProviderError
from signer.github.paths import JobPaths
from signer.kms.service import EmbeddedKms
from signer.providers import kms
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import VerifySettings
from signer.verify import job as verify_job
from tests.integration.gate.support import POLICY, refused, repin, signed, verified
from tests.issuer import Issuer
from tests.unit import runner
from tests.unit.support import RecordedLog, payload_of, signed_statement

DAY = timedelta(days=1)
YEAR = "max_key_age: 365d"


def with_age(policy: str, said: str = YEAR) -> str:
    """The policy with a limit of age in its rule."""
    assert "max_audit_file: 1KB" in policy
    return policy.replace("max_audit_file: 1KB", f"max_audit_file: 1KB, {said}")


def made(directory: Path, age: timedelta) -> datetime:
    """Make the key, of this age, and give its date."""
    EmbeddedKms(directory).ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    [path] = directory.glob("key-*.json")
    document = json.loads(path.read_text())
    created = datetime.now(UTC).replace(microsecond=0) - age
    document["versions"][-1]["created"] = format_time(created)
    path.write_text(json.dumps(document))
    return created


@pytest.fixture
def limited(environ: dict[str, str], issuer: Issuer, tmp_path: Path) -> dict[str, str]:
    """The job, with a policy that limits the key's age to a year."""
    job = {**environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    repin(job, with_age(POLICY.format(issuer=issuer.url)))
    return job


@pytest.fixture
def log() -> RecordedLog:
    return RecordedLog()


def test_a_young_key_signs_and_its_date_is_stated(
    limited: dict[str, str], tmp_path: Path, log: RecordedLog
) -> None:
    created = made(tmp_path / "kms", 291 * DAY)
    predicate = signed(limited, log)
    assert predicate["signing"]["keyCreated"] == format_time(created)
    outputs = runner.outputs((tmp_path / "output").read_text())
    assert outputs["key-created"] == format_time(created)
    assert log.warnings == []
    assert format_time(created) in (tmp_path / "summary").read_text()
    assert "Key age" not in (tmp_path / "summary").read_text()


@pytest.mark.parametrize("days", [292, 364])
def test_from_four_fifths_on_it_is_warned(
    limited: dict[str, str], tmp_path: Path, log: RecordedLog, days: int
) -> None:
    made(tmp_path / "kms", days * DAY)
    key_id = signed(limited, log)["signing"]["keyId"]
    [warning] = log.warnings
    assert warning.startswith("policy audit: key age: ")
    said = f"the key {key_id} is {days} of 365 days old; rotate it: signer kms rotate-key"
    assert said in warning
    assert said in (tmp_path / "summary").read_text()


def test_past_it_is_refused_and_a_rotated_key_signs(
    limited: dict[str, str], tmp_path: Path
) -> None:
    made(tmp_path / "kms", 365 * DAY + timedelta(seconds=1))
    refusal = refused(limited, "not-allowed")
    assert "wanted at most 365 days" in refusal.message
    assert "rotate the key" in refusal.fix
    EmbeddedKms(tmp_path / "kms").rotate_key("alias/policy-audit")
    assert signed(limited)["signing"]["keyId"].endswith("/2")


def test_a_date_to_come_is_a_wrong_clock(limited: dict[str, str], tmp_path: Path) -> None:
    made(tmp_path / "kms", -DAY)
    assert "a clock is wrong" in refused(limited, "not-allowed").message
    made(tmp_path / "kms", -timedelta(minutes=2))
    signed(limited)


def test_nobody_asks_for_a_date_that_no_rule_wants(
    environ: dict[str, str], limited: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: kms.KmsKey) -> datetime:
        raise ProviderError("asked", "asked", fix="")

    monkeypatch.setattr(kms.KmsKey, "key_created", never)
    refused(limited, "asked", ProviderError)
    text = Path(environ["INPUT_SIGNING-POLICY"]).read_text().replace(f", {YEAR}", "")
    other = [
        "  - name: another provider's",
        "    runs: {repository: acme/x}",
        f"    may_sign_with: {{provider: azure_kv, {YEAR}}}",
    ]
    repin(environ, text + "\n".join(other))
    assert "keyCreated" not in signed(environ)["signing"]


def test_the_auditor_s_policy_measures_the_same_age(
    limited: dict[str, str], issuer: Issuer, tmp_path: Path
) -> None:
    policy = POLICY.format(issuer=issuer.url)
    created = made(tmp_path / "kms", 300 * DAY)
    signed(limited)
    result = verified(tmp_path, issuer, with_age(policy))
    assert (result["reason"], result["key-created"]) == ("verified", format_time(created))
    assert verified(tmp_path, issuer, policy)["reason"] == "verified"
    for age in ("299d", "1h"):
        result = verified(tmp_path, issuer, with_age(policy, f"max_key_age: {age}"))
        assert result["reason"] == "not-allowed-by-policy"
        assert "max_key_age is '300 days" in result["message"]


def test_what_was_signed_in_the_last_second_is_verified_too(
    limited: dict[str, str], issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=10)

    class Decided(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return moment

    made(tmp_path / "kms", 365 * DAY + timedelta(seconds=10))
    monkeypatch.setattr("signer.gate.decide.datetime", Decided)
    assert signed(limited)["signing"]["time"] == format_time(moment)
    monkeypatch.undo()
    result = verified(tmp_path, issuer, with_age(POLICY.format(issuer=issuer.url)))
    assert result["reason"] == "verified", result


def test_without_a_date_in_the_statement_a_limit_allows_nothing(
    environ: dict[str, str], issuer: Issuer, tmp_path: Path
) -> None:
    made(tmp_path / "kms", 1 * DAY)
    assert "keyCreated" not in signed(environ)["signing"]
    result = verified(tmp_path, issuer, with_age(POLICY.format(issuer=issuer.url)))
    assert result["reason"] == "not-allowed-by-policy"
    assert "max_key_age is 'not known'" in result["message"]


FIRST = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("time", "created", "reason"),
    [
        ("2020-12-31T00:00:00Z", FIRST, "verified"),  # 365 days, to the second
        ("2020-12-31T00:00:01Z", FIRST, "not-allowed-by-policy"),
        ("2020-06-01T00:00:00Z", "2020-06-01T00:05:00Z", "verified"),
        ("2020-06-01T00:00:00Z", "2020-06-01T00:05:01Z", "not-allowed-by-policy"),
        ("2020-06-01T00:00:00Z", "2020-13-45T00:00:00Z", "malformed-statement"),
        ("2020-06-01T00:00:00Z", "2020-06-01", "malformed-statement"),
        ("2020-06-01T00:00:00Z", None, "not-allowed-by-policy"),
    ],
)
def test_years_later_the_age_is_that_of_the_day_it_was_signed(
    environ: dict[str, str], tmp_path: Path, time: str, created: str | None, reason: str
) -> None:
    signed(environ)
    bundle = tmp_path / "audit.jsonl.sigstore.json"
    statement = payload_of(bundle.read_bytes())
    statement["predicate"]["signing"] |= {"time": time, "keyCreated": created}
    key = kms.open_key("alias/policy-audit", tmp_path / "kms")
    bundle.write_bytes(signed_statement(statement, key))
    text = with_age(POLICY).replace("issuer: {issuer}", "identity: environment")
    (tmp_path / "auditor.yml").write_text(text.replace("{{", "{").replace("}}", "}"))
    assert _offline(tmp_path)["reason"] == reason


def _offline(tmp_path: Path) -> dict[str, Any]:
    said = {
        "audit-file": tmp_path / "audit.jsonl",
        "public-key": tmp_path / "audit.jsonl.pub",
        "signing-policy": tmp_path / "auditor.yml",
    }
    settings = load(VerifySettings, {n: Given(n, str(v)) for n, v in said.items()}, {})
    checked = verify_job.check(settings, {}, RecordedLog(), JobPaths({}, container=False))
    return checked.results[0]


def test_verify_and_inspect_show_it(
    limited: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    created = format_time(made(tmp_path / "kms", 10 * DAY))
    signed(limited)

    def shown(*words: str) -> str:
        arguments = parser().parse_args(words)
        run: Callable[..., int] = arguments.run
        assert run(arguments, {}, RecordedLog()) == 0
        return capsys.readouterr().out

    audit = str(tmp_path / "audit.jsonl")
    text = shown("verify", audit, "--key", f"{audit}.pub")
    assert f"key made    {created} (the word of whoever holds the key" in text
    fields = json.loads(shown("verify", audit, "--key", f"{audit}.pub", "--json"))
    assert fields["key-created"] == created
    assert f'"keyCreated": "{created}"' in shown("inspect", f"{audit}.sigstore.json")
