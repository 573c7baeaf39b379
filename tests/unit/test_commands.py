"""What is printed on a runner: nothing foreign becomes a workflow command, in either syntax."""

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signer.errors import AuditFileError, SettingsError, SignerError, UsageError
from signer.github.commands import MAX_ANNOTATION, command, log_line
from signer.github.masking import is_secret, redact, secrets_in
from signer.log import Log, RunnerLog, TerminalLog
from tests.unit import runner
from tests.unit.runner import Command

# Text that is made of what commands are made of.
PIECES = st.sampled_from(
    [
        *("::", "##[", "]", "#", "[", "error", "set-env", "add-mask", "stop-commands", "name=X"),
        *(" ", "\t", "\r", "\n", "\r\n", "%0A", "%0D", "%25", "%", "%3A", ",", ":", "=", "\0"),
        *("\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "\u200b", "\xad"),
        *("\u202e", "\x1b[31m", "\ud800", "é", "::error::x", "##[error]x", "::stop-commands::T"),
    ]
)
TEXT = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)
ATTACKS = [
    "::error::x",
    " \t::error::x",
    "a\r::error::x",
    "a\n::set-env name=X::y",
    "a ##[add-mask]x",
    "####[error]x",
    "#\u200b#[error]x",
    "\u200b::error::x",
    "\ufeff::error::x",
    "\xad::error::x",
    "\u180e::error::x",
    "\ufe0f::error::x",
    "\u034f::error::x",
    "\u2028::error::x",
    "%0A::error::x",
]


@given(TEXT)
@settings(max_examples=300)
def test_a_log_line_is_one_line_and_never_a_command(text: str) -> None:
    _check_line(text)


@pytest.mark.parametrize("text", ATTACKS)
def test_known_attacks_are_only_shown(text: str) -> None:
    _check_line(text)


def _check_line(text: str) -> None:
    line = log_line(text)
    assert len(runner.lines(line)) == 1
    assert runner.commands(line) == []
    assert runner.commands(f"before\n{line}\r{line}\nafter") == []
    assert "##[" not in line


@pytest.mark.parametrize("text", ["", "plain", "a::b", "C:\\x", "café 決定", "[##]", "50%"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert log_line(text) == text


def test_what_cannot_be_seen_is_shown() -> None:
    assert log_line("a\r\n\x1b\u202eb") == "a\\x0d\\x0a\\x1b\\x202eb"


@given(TEXT, TEXT, TEXT)
@settings(max_examples=300)
def test_a_command_is_read_back_whole(message: str, title: str, file: str) -> None:
    line = command("error", message, {"title": title, "file": file})
    assert len(runner.lines(line)) == 1
    [read] = runner.commands(line) if "##[" not in line else [runner.second(line)]
    assert read is not None
    assert (read.name, read.data) == ("error", message)
    # The runner trims what it reads of properties.
    assert [value.strip() for _, value in read.properties] == [title.strip(), file.strip()]


class _Case:
    """The runner's log of what a job says, and what the runner makes of it."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.stream = io.StringIO()
        self.log: Log = RunnerLog(environ, self.stream)

    @property
    def commands(self) -> list[Command]:
        return runner.commands(self.stream.getvalue())


@given(TEXT, TEXT, TEXT)
@example("x" * 5000, "::error::", "\r::error::")
def test_nothing_foreign_in_a_log_is_a_command(message: str, fix: str, path: str) -> None:
    case = _Case({})
    case.log.info(message)
    case.log.warning("title", message)
    case.log.error(SignerError("code", message, fix=fix))
    case.log.error(AuditFileError("code", message, fix=fix, path=path, line=3, column=9))
    assert [each.name for each in case.commands] == ["warning", "error", "error"]
    assert "##[" not in case.stream.getvalue()
    for each in case.commands:
        assert len(each.data) <= MAX_ANNOTATION
        assert "\r" not in each.data
    properties = dict(case.commands[-1].properties)
    assert (properties["line"], properties["col"]) == ("3", "9")


@given(TEXT, TEXT)
def test_nothing_foreign_on_a_terminal_is_a_command(message: str, fix: str) -> None:
    stream = io.StringIO()
    log = TerminalLog({}, stream)
    log.info(message)
    log.warning("title", message)
    log.error(SignerError("code", message, fix=fix))
    assert runner.commands(stream.getvalue()) == []
    assert stream.getvalue().count("\n") == 4


def test_an_error_is_told_with_its_place_and_remedy() -> None:
    case = _Case({})
    case.log.error(AuditFileError("x-y", "50% bad", fix="mend it.", path="a,b:c", line=2, column=7))
    [read] = case.commands
    assert read.data == "a,b:c:2:7: 50% bad\nfix: mend it."
    assert dict(read.properties) == {
        "title": "policy audit: x-y", "file": "a,b:c", "line": "2", "col": "7",
    }  # fmt: skip


def test_each_problem_of_the_settings_is_an_error_of_its_own() -> None:
    error = SettingsError([UsageError("a", "one", fix="f"), UsageError("b", "two", fix="g")])
    case = _Case({})
    case.log.error(error)
    assert [each.data for each in case.commands] == ["one\nfix: f", "two\nfix: g"]
    stream = io.StringIO()
    TerminalLog({}, stream).error(error)
    assert stream.getvalue() == "error[a]: one\n  fix: f\nerror[b]: two\n  fix: g\n"


def test_secrets_are_masked_before_anything_else_and_on_the_same_stream() -> None:
    secret = "line one%\nline two\r\nabc"
    case = _Case({"POLICY_SIGNING_KEY": secret, "AWS_SECRET_ACCESS_KEY": "awssecret"})
    assert {each.name for each in case.commands} == {"add-mask"}
    assert [each.data for each in case.commands] == [secret, "line one%", "line two", "awssecret"]


def test_secrets_are_cut_from_every_message() -> None:
    environ = {"POLICY_SIGNING_KEY": "se::cret%value", "ACTIONS_RUNTIME_TOKEN": "token-of-run"}
    stream = io.StringIO()
    log = RunnerLog(environ, stream)
    masks = len(stream.getvalue())
    for each in (log, TerminalLog(environ, stream)):
        each.info("a se::cret%value b token-of-run")
        each.warning("t", "a se::cret%value b")
        each.error(AuditFileError("c", "se::cret%value", fix="token-of-run", path="p"))
    said = stream.getvalue()[masks:]
    assert "cret" not in said
    assert "token-of" not in said
    assert said.count("***") == 10


@pytest.mark.parametrize(
    "variable",
    [
        "POLICY_SIGNING_KEY",
        "INPUT_SIGNING-KEY",
        "INPUT_SIGNING_KEY",
        "INPUT_POLICY_SIGNING_KEY",
        "INPUT_POLICY-SIGNING-KEY",
        "INPUT_GITHUB-TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "AWS_SESSION_TOKEN",
        "AZURE_CLIENT_SECRET",
    ],
)
def test_these_variables_are_secrets(variable: str) -> None:
    assert is_secret(variable)
    assert secrets_in({variable: "the secret"}) == ["the secret"]


@pytest.mark.parametrize(
    "variable", ["POLICY_KMS_KEY", "INPUT_KMS-KEY", "INPUT_PUBLIC-KEY", "PATH"]
)
def test_other_variables_are_none(variable: str) -> None:
    assert not is_secret(variable)


def test_the_longest_secret_is_cut_first() -> None:
    assert redact("abcdefgh abcd", ["abcd", "abcdefgh"]) == "*** ***"


def test_a_stream_that_takes_no_more_is_no_error() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    TerminalLog({}, Full()).info("x")
    RunnerLog({}, Full()).warning("x", "y")


@pytest.mark.parametrize("reference", ["aws-secretsmanager:audit", "azure-keyvault:vault/audit"])
def test_the_name_of_a_secret_that_is_kept_elsewhere_is_not_masked(reference: str) -> None:
    assert secrets_in({"POLICY_SIGNING_KEY": reference}) == []
