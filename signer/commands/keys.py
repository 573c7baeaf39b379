"""The commands ``signer keys …``: public keys to keep for later."""

import argparse
from collections.abc import Mapping
from typing import Any

from signer.commands.printing import print_json
from signer.log import Log


def add_commands(commands: Any) -> None:
    """Add ``keys`` and its commands to a parser's sub-commands."""
    keys = commands.add_parser(
        "keys",
        help="keep public keys for later",
        description="Keep public keys for later.",
        allow_abbrev=False,
    )
    operations = keys.add_subparsers(metavar="OPERATION", required=True)
    snapshot = operations.add_parser(
        "snapshot-issuer",
        help="print an OIDC issuer's public keys, for --issuer-keys",
        description="Print an OIDC issuer's public keys as JSON, to prove identities with later.",
        allow_abbrev=False,
    )
    snapshot.add_argument("url", metavar="URL", help="the issuer, an https URL")
    snapshot.set_defaults(run=_snapshot, github=False, json=False)


def _snapshot(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.gate.issuer import snapshot

    print_json(snapshot(arguments.url))
    return 0
