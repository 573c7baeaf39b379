"""The commands ``signer kms …``: the keys of the embedded KMS, under AWS's operation names."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from signer.commands.printing import print_json, print_text
from signer.log import Log

_EXAMPLES = """examples:
  signer kms create-key --key-spec ECC_NIST_P384 --alias alias/audit
  signer kms rotate-key alias/audit
  signer kms get-public-key alias/audit > trusted.pub

The embedded KMS is a simulation: its keys are files. It is for trying things out and for tests.
"""


def add_commands(commands: Any) -> None:
    """Add ``kms`` and its commands to a parser's sub-commands."""
    kms = commands.add_parser(
        "kms",
        help="manage the keys of the embedded KMS (a simulation)",
        description="Manage the keys of the embedded software KMS, a simulation.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    operations = kms.add_subparsers(metavar="OPERATION", required=True)
    create = _operation(operations, "create-key", "make a key", _create)
    create.add_argument(
        "--key-spec",
        default="ECC_NIST_P256",
        metavar="SPEC",
        help="AWS's name, such as RSA_3072 or ECC_NIST_EDWARDS25519 (default: ECC_NIST_P256)",
    )
    create.add_argument("--alias", metavar="ALIAS", help="a name for it, alias/NAME")
    _operation(operations, "list-keys", "list all keys as JSON", _list)
    for name, description, job in (
        ("describe-key", "show a key as JSON", _describe),
        ("get-public-key", "print the public key, PEM", _public_key),
        ("rotate-key", "make a new version, which signs from now on", _rotate),
        ("disable-key", "stop a key from signing", _disable),
        ("enable-key", "let a disabled key sign again", _enable),
    ):
        operation = _operation(operations, name, description, job)
        operation.add_argument("key", metavar="KEY", help="key id or alias/NAME")
    for name, description, job in (
        ("create-alias", "give a key a name", _create_alias),
        ("update-alias", "let a name name another key", _update_alias),
    ):
        operation = _operation(operations, name, description, job)
        operation.add_argument("alias", metavar="ALIAS", help="alias/NAME")
        operation.add_argument("key", metavar="KEY", help="key id")


def _operation(
    operations: Any, name: str, description: str, job: Callable[[Any, argparse.Namespace], None]
) -> argparse.ArgumentParser:
    operation: argparse.ArgumentParser = operations.add_parser(
        name, help=description, description=description[0].upper() + description[1:] + "."
    )
    operation.add_argument(
        "--kms-directory",
        type=Path,
        metavar="DIR",
        help="where the keys are (POLICY_KMS_DIRECTORY)",
    )

    def run(arguments: argparse.Namespace, environ: Mapping[str, str], _log: Log) -> int:
        from signer.kms.directory import default_directory
        from signer.kms.service import EmbeddedKms

        said = environ.get("POLICY_KMS_DIRECTORY")
        directory = arguments.kms_directory or (Path(said) if said else default_directory(environ))
        job(EmbeddedKms(directory), arguments)
        return 0

    operation.set_defaults(run=run, github=False)
    if job in (_create, _list, _describe, _rotate):
        operation.add_argument("--json", action="store_true", help="the answer is JSON anyway")
    else:
        operation.set_defaults(json=False)
    return operation


def _create(kms: Any, arguments: argparse.Namespace) -> None:
    if arguments.alias is None:
        _print(kms.create_key(arguments.key_spec))
        return
    if not kms.ensure_alias(arguments.alias, arguments.key_spec):
        from signer.kms.errors import alias_exists

        raise alias_exists(arguments.alias)
    _print(kms.describe_key(arguments.alias))


def _list(kms: Any, _arguments: argparse.Namespace) -> None:
    print_json([_fields(key) for key in kms.list_keys()])


def _describe(kms: Any, arguments: argparse.Namespace) -> None:
    _print(kms.describe_key(arguments.key))


def _public_key(kms: Any, arguments: argparse.Namespace) -> None:
    print_text(kms.get_public_key(arguments.key).pem.decode().removesuffix("\n"))


def _rotate(kms: Any, arguments: argparse.Namespace) -> None:
    _print(kms.rotate_key(arguments.key))


def _disable(kms: Any, arguments: argparse.Namespace) -> None:
    kms.disable_key(arguments.key)


def _enable(kms: Any, arguments: argparse.Namespace) -> None:
    kms.enable_key(arguments.key)


def _create_alias(kms: Any, arguments: argparse.Namespace) -> None:
    kms.create_alias(arguments.alias, arguments.key)


def _update_alias(kms: Any, arguments: argparse.Namespace) -> None:
    kms.update_alias(arguments.alias, arguments.key)


def _print(metadata: Any) -> None:
    print_json(_fields(metadata))


def _fields(metadata: Any) -> dict[str, Any]:
    return {
        "key-id": metadata.key_id,
        "key-spec": metadata.key_spec,
        "key-usage": metadata.key_usage,
        "enabled": metadata.enabled,
        "algorithms": list(metadata.algorithms),
        "aliases": list(metadata.aliases),
        "created": list(metadata.created),
    }
