"""The command line ``signer``: the same work from a terminal."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from signer import __version__
from signer.commands import doctor, keys, kms, policy
from signer.commands.options import EXIT_CODES, add_command, add_options, said
from signer.commands.printing import print_json, print_text
from signer.errors import SignerError, UsageError
from signer.github.commands import log_line
from signer.log import Log, RunnerLog, TerminalLog
from signer.process import run, tolerant_streams
from signer.progress import progress_bar
from signer.settings.load import load, misspelt, nearest
from signer.settings.models import SignSettings, VerifySettings

_DESCRIPTION = "Sign policy audits with keys nobody can copy, and check them years later, offline."
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
  signer verify 'audits/*.jsonl' --trusted-keys trusted-keys.yml
  signer verify sha256:DIGEST --bundle audit.jsonl.sigstore.json --key trusted.pub
  signer verify audit.jsonl --hmac
"""
_INSPECT_EXAMPLES = """examples:
  signer inspect audit.jsonl.sigstore.json
  signer inspect audit.jsonl.sigstore.json --json
"""


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
    for text in misspelt(os.environ):
        log.warning("policy audit: unknown variable", text)
    run(lambda: _run(arguments, log), log)


def _run(arguments: argparse.Namespace, log: Log) -> int:
    try:
        code: int = arguments.run(arguments, os.environ, log)
    except SignerError as error:
        if arguments.json:
            told = {"verified": False} if arguments.run is _verify else {}
            words = {"message": log.redact(error.message), "fix": log.redact(error.fix)}
            print_json({**told, "code": error.code, **words})
        raise
    return code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="signer", description=_DESCRIPTION, epilog=EXIT_CODES, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"signer {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    sign = add_command(commands, "sign", "AUDIT...", "sign audit files", _SIGN_EXAMPLES, _sign)
    sign.add_argument("audit", nargs="*", metavar="AUDIT", help="path or glob; ! leaves out")
    add_options(sign, SignSettings)
    verify = add_command(
        commands, "verify", "AUDIT_OR_DIGEST...", "verify a signed audit", _VERIFY_EXAMPLES, _verify
    )
    verify.add_argument("audit", nargs="*", metavar="AUDIT_OR_DIGEST", help="path, or sha256:HEX")
    add_options(verify, VerifySettings)
    inspect = add_command(
        commands,
        "inspect",
        "BUNDLE",
        "show what a bundle says, unverified",
        _INSPECT_EXAMPLES,
        _inspect,
    )
    inspect.add_argument("bundle", metavar="BUNDLE", help="path of a signed audit")
    for module in (doctor, kms, keys, policy):
        module.add_commands(commands)
    return top


def _sign(arguments: argparse.Namespace, environ: Mapping[str, str], log: Log) -> int:
    from signer.github.paths import JobPaths
    from signer.sign.job import sign
    from signer.sign.unauthorized import SKIPPED, may_be_skipped

    given = said(arguments, SignSettings, environ)
    if may_be_skipped(given, environ):
        log.notice(*SKIPPED)
        if arguments.github:
            from signer.report.runner import write_skipped

            write_skipped(environ, unauthorized=True)
        if arguments.json:
            print_json({"skipped": True, "results": [], "files": []})
        return 0
    settings = load(SignSettings, given, environ)
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
        from signer.report.runner import write_signed, write_skipped

        if signed is None:
            write_skipped(environ)
        else:
            write_signed(signed, environ, show_summary=settings.show_summary)
    if arguments.json:
        print_json(signed.fields() if signed else {"results": [], "files": []})
    elif signed and not arguments.github:
        for result in signed.results:
            print_text(log_line(str(result["signed-audit-file"])))
    return 0


def _verify(arguments: argparse.Namespace, environ: Mapping[str, str], log: Log) -> int:
    from signer.github.paths import JobPaths
    from signer.verify.job import check, own_repository

    try:
        settings = load(VerifySettings, said(arguments, VerifySettings, environ), environ)
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
            from signer.report.runner import write_refused

            write_refused(error, environ)
        raise
    if arguments.github:
        from signer.report.runner import write_checked

        write_checked(checked, environ, show_summary=settings.show_summary)
    if arguments.json:
        print_json(checked.fields())
    elif not arguments.github:
        from signer.report.describe import describe_verified

        for name, verified in checked.verified.items():
            print_text(describe_verified(name, verified))
    return checked.error.exit_code if checked.error else 0


def _inspect(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.report.describe import describe_bundle, inspect_bundle

    fields = inspect_bundle(arguments.bundle)
    if arguments.json:
        print_json(fields)
    else:
        print_text(describe_bundle(fields))
    return 0
