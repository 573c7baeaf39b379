"""The command line ``signer``: the same work from a terminal."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from signer import __version__
from signer.errors import AuditFileError, OutputError, SignerError, UsageError
from signer.github.commands import log_line
from signer.log import Log, RunnerLog, TerminalLog
from signer.process import run, tolerant_streams
from signer.progress import progress_bar
from signer.settings.given import Given
from signer.settings.load import load, nearest
from signer.settings.models import (
    Settings,
    SignSettings,
    VerifySettings,
    default_of,
    fields_of,
    is_flag,
)

_DESCRIPTION = "Sign policy audits with keys nobody can copy, and check them years later, offline."
_EXIT_CODES = (
    "exit codes: 0 done; 1 not verified; 2 wrong use or a refused file; 3 a service or tool "
    "failed; 4 refused by the gate"
)
_SIGN_EXAMPLES = """examples:
  signer sign audit.jsonl --provider kms
  signer sign 'reports/*.sarif' --provider kms --output-directory signed
  POLICY_SIGNING_KEY=... signer sign audit.jsonl

Every option is also read from the environment, as POLICY_ and its name: --audit-format from
POLICY_AUDIT_FORMAT, --provider from POLICY_SIGNING_PROVIDER. The key for HMAC-SHA256 comes from
POLICY_SIGNING_KEY only.
"""
_VERIFY_EXAMPLES = """examples:
  signer verify audit.jsonl --key trusted.pub
  signer verify audit.jsonl --key trusted.pub --expect repository=acme/payments --max-age 24h
  signer verify sha256:DIGEST --bundle audit.jsonl.sigstore.json --key trusted.pub
  signer verify audit.jsonl --hmac
"""
_INSPECT_EXAMPLES = """examples:
  signer inspect audit.jsonl.sigstore.json
  signer inspect audit.jsonl.sigstore.json --json
"""
_MODES: dict[type[Settings], str] = {SignSettings: "sign", VerifySettings: "verify"}
_HIDDEN = ("mode", "audit-file", "show-summary")
_SHORT = {"public-key": "--key"}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors look like all others, and are no workflow commands either."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse what is unknown here, where it is known what the command has."""
        parsed, unknown = super().parse_known_args(*args, **kwargs)
        if unknown:
            name = unknown[0].split("=")[0]
            self.error(f"unknown argument {name}{nearest(name, [*self._option_string_actions])}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"error[usage]: {log_line(message)}", file=sys.stderr)
        print(f"  fix: see {self.prog} --help", file=sys.stderr)
        raise SystemExit(UsageError.exit_code)


def main() -> None:
    """Run the command line in this process; never returns."""
    tolerant_streams()
    arguments = parser().parse_args()
    log: Log = RunnerLog(os.environ) if arguments.github else TerminalLog(os.environ)
    run(lambda: _run(arguments, log), log)


def _run(arguments: argparse.Namespace, log: Log) -> int:
    try:
        code: int = arguments.run(arguments, os.environ, log)
    except SignerError as error:
        if arguments.json:
            told = {"verified": False} if arguments.run is _verify else {}
            _print_json({**told, "code": error.code, "message": error.message, "fix": error.fix})
        raise
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="signer", description=_DESCRIPTION, epilog=_EXIT_CODES, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"signer {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    sign = _command(commands, "sign", "AUDIT...", "sign audit files", _SIGN_EXAMPLES, _sign)
    sign.add_argument("audit", nargs="*", metavar="AUDIT", help="path or glob; ! leaves out")
    _options(sign, SignSettings)
    verify = _command(
        commands, "verify", "AUDIT_OR_DIGEST...", "verify a signed audit", _VERIFY_EXAMPLES, _verify
    )
    verify.add_argument("audit", nargs="*", metavar="AUDIT_OR_DIGEST", help="path, or sha256:HEX")
    _options(verify, VerifySettings)
    inspect = _command(
        commands,
        "inspect",
        "BUNDLE",
        "show what a bundle says, unverified",
        _INSPECT_EXAMPLES,
        _inspect,
    )
    inspect.add_argument("bundle", metavar="BUNDLE", help="path of a signed audit")
    from signer.commands import keys, kms, policy

    for module in (kms, keys, policy):
        module.add_commands(commands)
    return top


def _command(
    commands: Any,
    name: str,
    operand: str,
    description: str,
    examples: str,
    job: Callable[..., int],
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description,
        description=description[0].upper() + description[1:] + ".",
        usage=f"%(prog)s [OPTIONS] {operand}",
        epilog=f"{examples}\n{_EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--github",
        action="store_true",
        help="in a run: step: the action's outputs, masking, annotations and summary",
    )
    command.set_defaults(run=job)
    return command


def _options(command: argparse.ArgumentParser, model: type[Settings]) -> None:
    for name, description in fields_of(model).items():
        if name in _HIDDEN:
            continue
        flags = [f"--{name}", *([_SHORT[name]] if name in _SHORT else [])]
        default = default_of(model, name)
        text = description.removeprefix("Verifying: ").replace("`", "").replace("%", "%%")
        if is_flag(model, name) and default == "false":
            text = text.replace(" (true or false)", "").replace("true or false; ", "")
            command.add_argument(*flags, action="store_const", const="true", help=text)
            continue
        text += f" Default: {default}." if default else ""
        if name == "expect":
            command.add_argument(*flags, action="append", metavar="NAME=VALUE", help=text)
        else:
            command.add_argument(*flags, metavar="VALUE", help=text)


def _said(arguments: argparse.Namespace, model: type[Settings]) -> dict[str, Given]:
    said = {}
    for name in fields_of(model):
        value = getattr(arguments, name.replace("-", "_"), None)
        if value is not None:
            text = "\n".join(value) if isinstance(value, list) else value
            if not text.strip():
                raise UsageError(
                    "setting-invalid",
                    f"--{name} is empty",
                    fix="give it a value, or leave it out.",
                )
            said[name] = Given(f"--{name}", text)
    for name in arguments.audit:
        if "\n" in name:
            raise AuditFileError(
                "audit-file-name",
                "its path has a line feed, and audit files are named a line each",
                fix="rename it.",
                path=repr(name),
            )
    if arguments.audit:
        said["audit-file"] = Given(
            "AUDIT", "\n".join(arguments.audit), exact=tuple(map(_exactly, arguments.audit))
        )
    mode = os.environ.get("POLICY_MODE", "").strip()
    if mode and mode != _MODES[model]:
        raise UsageError(
            "setting-conflict",
            f"POLICY_MODE is {mode[:40]!r}, and the command is {_MODES[model]}",
            fix="take POLICY_MODE out; the command says what to do.",
        )
    return said


def _exactly(name: str) -> str:
    """An argument as a line of audit-file: what is there is a path, whatever it looks like."""
    return f"./{name}" if name.startswith("!") and os.path.lexists(name) else name


def _sign(arguments: argparse.Namespace, environ: Mapping[str, str], log: Log) -> int:
    from signer.github.paths import JobPaths
    from signer.sign.job import sign
    from signer.sign.unauthorized import SKIPPED, may_be_skipped

    said = _said(arguments, SignSettings)
    if may_be_skipped(said, environ):
        log.notice(*SKIPPED)
        if arguments.github:
            from signer.report import write_skipped

            write_skipped(environ, unauthorized=True)
        if arguments.json:
            _print_json({"skipped": True, "results": [], "files": []})
        return 0
    settings = load(SignSettings, said, environ)
    with progress_bar() as progress:
        signed = sign(
            settings,
            environ,
            log,
            JobPaths(environ, container=False),
            count_decisions=arguments.github and settings.show_summary,
            progress=progress,
        )
    if arguments.github:
        from signer.report import write_signed, write_skipped

        if signed is None:
            write_skipped(environ)
        else:
            write_signed(signed, environ, show_summary=settings.show_summary)
    if arguments.json:
        _print_json(signed.fields() if signed else {"results": [], "files": []})
    elif signed and not arguments.github:
        for result in signed.results:
            _print(log_line(str(result["signed-audit-file"])))
    return 0


def _verify(arguments: argparse.Namespace, environ: Mapping[str, str], log: Log) -> int:
    from signer.github.paths import JobPaths
    from signer.verify.job import check, own_repository

    try:
        settings = load(VerifySettings, _said(arguments, VerifySettings), environ)
        with progress_bar() as progress:
            checked = check(
                settings,
                environ,
                log,
                JobPaths(environ, container=False),
                own_repository=own_repository(settings, environ) if arguments.github else None,
                progress=progress,
            )
    except Exception as error:
        if arguments.github:
            from signer.report import write_refused

            write_refused(error, environ)
        raise
    if arguments.github:
        from signer.report import write_checked

        write_checked(checked, environ, show_summary=settings.show_summary)
    if arguments.json:
        _print_json(checked.fields())
    elif not arguments.github:
        from signer.describe import describe_verified

        for name, verified in checked.verified.items():
            _print(describe_verified(name, verified))
    return checked.error.exit_code if checked.error else 0


def _inspect(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.describe import describe_bundle, inspect_bundle

    fields = inspect_bundle(arguments.bundle)
    if arguments.json:
        _print_json(fields)
    else:
        _print(describe_bundle(fields))
    return 0


def _print_json(fields: Mapping[str, Any]) -> None:
    # On a runner, "##[" would start a command anywhere in a line; it only occurs in strings.
    _print(json.dumps(fields, indent=2).replace("##[", "#\\u0023["))


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            "output-failed",
            f"standard output could not be written: {error.strerror}",
            fix="free some space there, or send the output elsewhere.",
        ) from error
