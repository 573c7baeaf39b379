"""The command ``signer doctor``."""

import argparse
import shutil
from collections.abc import Mapping
from typing import Any

from signer.commands.options import add_command, add_options, said
from signer.commands.printing import print_json, print_text
from signer.log import Log
from signer.settings.models import DoctorSettings

_EXAMPLES = """examples:
  signer doctor --provider aws_kms_sdk --aws-kms-key alias/audit
  signer doctor audit.jsonl --signing-policy .github/signing-policy.yml --github

It takes the settings of `signer sign`, looks at everything that signing needs, and signs nothing.
The exit code is 0 where nothing failed, else the highest of the failed checks'.
"""


def add_commands(commands: Any) -> None:
    """Add ``doctor`` to a parser's sub-commands."""
    doctor = add_command(
        commands,
        "doctor",
        "[AUDIT...]",
        "check, without signing, whether signing would work",
        _EXAMPLES,
        _doctor,
    )
    doctor.add_argument("audit", nargs="*", metavar="AUDIT", help="path or glob; ! leaves out")
    add_options(doctor, DoctorSettings)


def _doctor(arguments: argparse.Namespace, environ: Mapping[str, str], log: Log) -> int:
    from signer.doctor import report
    from signer.doctor.check import exit_code
    from signer.doctor.examine import examine
    from signer.github.paths import JobPaths

    paths = JobPaths(environ, container=False)
    given = said(arguments, DoctorSettings, environ)
    examination = examine(given, environ, log, paths)
    if arguments.github:
        report.publish(examination, environ, log)
    if arguments.json:
        print_json(report.fields(examination.checks))
    elif not arguments.github:
        width = shutil.get_terminal_size((report.LOG_WIDTH, 0)).columns
        print_text("\n".join(report.lines(examination.checks, width)))
    return exit_code(examination.checks)
