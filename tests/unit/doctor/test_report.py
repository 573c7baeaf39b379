"""The table, and what a runner is told: aligned, whole, and nothing foreign in it a command."""

import io

from signer.doctor.check import Check, Status, exit_code, fail, ok, skip, warn
from signer.doctor.report import annotate, fields, lines, summary
from signer.errors import GateError, ProviderError, UsageError
from signer.log import RunnerLog
from tests.unit import runner
from tests.unit.support import RecordedLog

CHECKS = [
    ok("settings", "provider kms"),
    warn("key-age", "old", fix="rotate it"),
    fail("clock", ProviderError("clock-skew", "wrong\nand late", fix="set it")),
    skip("a-longer-name", "it cannot be"),
]


def test_the_table_is_aligned() -> None:
    assert lines(CHECKS, 100) == [
        "ok    settings       provider kms",
        "warn  key-age        old",
        "                     fix: rotate it",
        "fail  clock          wrong",
        "                     and late",
        "                     fix: set it",
        "skip  a-longer-name  it cannot be",
        "",
        "1 ok, 1 warn, 1 fail, 1 skip",
    ]


def test_long_lines_are_wrapped_and_long_words_stay_whole() -> None:
    arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    found = lines([ok("key", f"one two three {arn} four")], 30)
    assert found[:4] == ["ok    key  one two three", f"           {arn}", "           four", ""]


def test_what_is_foreign_stays_in_its_line() -> None:
    hostile = "x\r::error::forged\x1b[31m ##[error]forged \u202e"
    table = lines([ok("key", hostile)], 100)
    assert len(table) == 3
    assert not runner.commands("\n".join(table))
    assert "\x1b" not in table[0]
    assert "forged</td>" not in summary([ok("key", "<b>forged</b>")])


def test_json_has_the_code_of_what_failed() -> None:
    found = fields(CHECKS)
    assert found["ok"] is False
    assert found["checks"][0] == {
        "name": "settings",
        "status": "ok",
        "detail": "provider kms",
        "fix": "",
    }
    assert found["checks"][2]["code"] == "clock-skew"
    assert fields(CHECKS[:2])["ok"] is True


def test_the_exit_code_is_the_highest() -> None:
    usage, gate = UsageError("a", "b", fix="c"), GateError("a", "b", fix="c")
    assert exit_code([]) == exit_code(CHECKS[:2]) == 0
    assert exit_code([fail("x", usage), CHECKS[2]]) == 3
    assert exit_code([fail("x", gate), CHECKS[2]]) == 4
    assert exit_code([fail("x", usage), CHECKS[0]]) == 2


def test_warnings_and_failures_are_annotated() -> None:
    log = RecordedLog()
    annotate(CHECKS, log)
    assert log.warnings == ["policy audit: key-age: old\nfix: rotate it"]
    [error] = log.errors
    assert (error.code, error.message, error.fix) == (
        "clock-skew",
        "clock: wrong\nand late",
        "set it",
    )


def test_annotations_are_whole() -> None:
    stream = io.StringIO()
    annotate(CHECKS, RunnerLog({}, stream))
    found = runner.commands(stream.getvalue())
    assert [(one.name, one.title) for one in found] == [
        ("warning", "policy audit: key-age"),
        ("error", "policy audit: clock-skew"),
    ]
    assert found[1].data == "clock: wrong\nand late\nfix: set it"


def test_the_summary_says_whether_signing_would_work() -> None:
    assert "signing would NOT work" in summary(CHECKS)
    assert "wrong<br>and late" in summary(CHECKS)
    assert "signing would work" in summary(CHECKS[:2])
    hostile = warn("token", "`a<b>`", fix="add `permissions: id-token: write`, `<script>")
    assert "<code>a&lt;b&gt;</code>" in summary([hostile])
    assert "add <code>permissions: id-token: write</code>, `&lt;script&gt;" in summary([hostile])


def test_secrets_are_cut_out() -> None:
    check = Check("key", Status.FAIL, "it is s3cret", "not s3cret", "a-code", 3)
    assert check.redacted(["s3cret"]) == Check(
        "key", Status.FAIL, "it is ***", "not ***", "a-code", 3
    )
