"""Commands of the command line: their options from the settings, and what was said in them."""

import argparse
import os
from collections.abc import Callable, Mapping
from typing import Any

from signer.errors import AuditFileError, UsageError
from signer.settings.given import Given
from signer.settings.models import (
    DoctorSettings,
    Settings,
    SignSettings,
    VerifySettings,
    default_of,
    fields_of,
    is_flag,
)

EXIT_CODES = (
    "exit codes: 0 done; 1 not verified; 2 wrong use or a refused file; 3 a service or tool "
    "failed; 4 refused by the gate"
)
# Doctor looks at what signing would do, so that a job's POLICY_MODE=sign fits it too.
_MODES: dict[type[Settings], tuple[str, ...]] = {
    SignSettings: ("sign",),
    VerifySettings: ("verify",),
    DoctorSettings: ("doctor", "sign"),
}
_HIDDEN = ("mode", "audit-file", "show-summary")
_SHORT = {"public-key": "--key"}


def add_command(
    commands: Any,
    name: str,
    operand: str,
    description: str,
    examples: str,
    job: Callable[..., int],
) -> argparse.ArgumentParser:
    """Add a command that takes ``--json`` and ``--github``.

    Args:
        commands: the sub-commands of a parser.
        name: the command.
        operand: what its usage shows behind the options.
        description: one line, without a full stop.
        examples: shown below its options.
        job: what it does, with arguments, environment and log; returns the exit code.
    """
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description,
        description=description[0].upper() + description[1:] + ".",
        usage=f"%(prog)s [OPTIONS] {operand}",
        epilog=f"{examples}\n{EXIT_CODES}",
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


def add_options(command: argparse.ArgumentParser, model: type[Settings]) -> None:
    """Add an option for each setting of a model."""
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


def said(
    arguments: argparse.Namespace, model: type[Settings], environ: Mapping[str, str]
) -> dict[str, Given]:
    """What the arguments say, under the settings' names.

    Args:
        arguments: as parsed.
        model: the command's settings.
        environ: the environment, for POLICY_MODE.

    Raises:
        UsageError: an option is empty, or POLICY_MODE names another command.
        AuditFileError: ``audit-file-name``.
    """
    given = {}
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
            given[name] = Given(f"--{name}", text)
    for name in arguments.audit:
        if "\n" in name:
            raise AuditFileError(
                "audit-file-name",
                "its path has a line feed, and audit files are named a line each",
                fix="rename it.",
                path=repr(name),
            )
    if arguments.audit:
        given["audit-file"] = Given(
            "AUDIT", "\n".join(arguments.audit), exact=tuple(map(_exactly, arguments.audit))
        )
    mode = environ.get("POLICY_MODE", "").strip()
    if mode and mode not in _MODES[model]:
        raise UsageError(
            "setting-conflict",
            f"POLICY_MODE is {mode[:40]!r}, and the command is {_MODES[model][0]}",
            fix="take POLICY_MODE out; the command says what to do.",
        )
    return given


def _exactly(name: str) -> str:
    """An argument as a line of audit-file: what is there is a path, whatever it looks like."""
    return f"./{name}" if name.startswith("!") and os.path.lexists(name) else name
