"""The commands ``signer keys …``: public keys to keep for later."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signer.commands.printing import print_json, print_text
from signer.github.commands import log_line
from signer.log import Log

if TYPE_CHECKING:  # YAML and the gate are loaded by the command that needs them
    from signer.crypto.trusted_keys import TrustedKey


def add_commands(commands: Any) -> None:
    """Add ``keys`` and its commands to a parser's sub-commands."""
    keys = commands.add_parser(
        "keys",
        help="public keys to verify with: check a file of them, keep an issuer's",
        description="Public keys to verify with: check a file of them, keep an issuer's.",
        allow_abbrev=False,
    )
    operations = keys.add_subparsers(metavar="OPERATION", required=True)
    check = operations.add_parser(
        "check",
        help="validate a file of trusted keys, and list what it trusts",
        description="Validate a file of trusted keys, and list what it trusts.",
        allow_abbrev=False,
    )
    check.add_argument("file", metavar="FILE", type=Path, help="the trusted keys (YAML)")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check, github=False)
    snapshot = operations.add_parser(
        "snapshot-issuer",
        help="print an OIDC issuer's public keys, for --issuer-keys or --trusted-keys",
        description="Print an OIDC issuer's public keys as JSON, to prove identities with later.",
        allow_abbrev=False,
    )
    snapshot.add_argument("url", metavar="URL", help="the issuer, an https URL")
    snapshot.set_defaults(run=_snapshot, github=False, json=False)


def _check(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.verify.trusted import read

    trusted = read(arguments.file)
    keys = [_fields(key) for key in trusted.keys.keys]
    issuer = trusted.issuer
    if arguments.json:
        listed = {"issuer": issuer.issuer, "keys": list(issuer.keys)} if issuer else None
        print_json({"valid": True, "keys": keys, "issuer": listed})
        return 0
    lines = [f"valid: {len(keys)} key{'s' if len(keys) > 1 else ''}"]
    for key in keys:
        lines.append(key["name"])
        lines += [f"  {name:16}{_shown(value)}" for name, value in key.items() if name != "name"]
    if issuer:
        lines.append(f"issuer {issuer.issuer}: {', '.join(issuer.keys)}")
    print_text("\n".join(map(log_line, lines)))
    return 0


def _fields(key: "TrustedKey") -> dict[str, Any]:
    from signer.audit.statement import format_time

    fields: dict[str, Any] = {
        "name": key.name,
        "key-fingerprint": key.public_key.fingerprint,
        "key-spec": key.public_key.spec,
        "algorithm": key.algorithm,
    }
    if key.assurance:
        fields["assurance"] = key.assurance.value
    if key.not_before:
        fields["not-before"] = format_time(key.not_before)
    if key.not_after:
        fields["not-after"] = format_time(key.not_after)
    if key.revoked:
        fields["revoked"] = {"at": format_time(key.revoked.at), "reason": key.revoked.reason}
    return fields


def _shown(value: Any) -> str:
    return f"{value['at']}: {value['reason']}" if isinstance(value, dict) else str(value)


def _snapshot(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.gate.issuer import snapshot

    print_json(snapshot(arguments.url))
    return 0
