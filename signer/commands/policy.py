"""The commands ``signer policy …``: check, explain and compile a signing policy."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signer.errors import UsageError
from signer.log import Log

_CHECK_EXAMPLES = """examples:
  signer policy check signing-policy.yml
  signer policy check signing-policy.yml --claims claims.json

A claims file is a JSON object with GitHub's claim names, as in the payload of an OIDC token.
"""
_LARGEST_CLAIMS = 1 << 16


def add_commands(commands: Any) -> None:
    """Add ``policy`` and its commands to a parser's sub-commands."""
    policy = commands.add_parser(
        "policy",
        help="check the gate's rules",
        description="Check the gate's rules: the signing policy.",
        allow_abbrev=False,
    )
    operations = policy.add_subparsers(metavar="OPERATION", required=True)
    check = operations.add_parser(
        "check",
        help="validate a policy, and explain how it decides",
        description="Validate a policy, and explain how it decides, claim by claim. "
        "Exit code 4 where no rule allows the claims.",
        epilog=_CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    check.add_argument("policy", metavar="POLICY", type=Path, help="the signing policy (YAML)")
    check.add_argument("--claims", metavar="FILE", type=Path, help="claims to try, JSON")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check, github=False)
    compile_ = operations.add_parser(
        "compile",
        help="turn a policy into what a cloud enforces",
        description="Print the roles that enforce a signing policy in a cloud, as JSON.",
        allow_abbrev=False,
    )
    compile_.add_argument("policy", metavar="POLICY", type=Path, help="the signing policy (YAML)")
    compile_.add_argument("--for", dest="cloud", choices=["aws"], required=True, help="the cloud")
    compile_.add_argument(
        "--terraform", action="store_true", help="in Terraform's JSON syntax (.tf.json)"
    )
    compile_.set_defaults(run=_compile, github=False, json=False)


def _check(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.gate.matching import ask
    from signer.gate.policy import load

    file = load(arguments.policy)
    fields: dict[str, Any] = {
        "valid": True,
        "policy-digest": f"sha256:{file.sha256}",
        "rules": [rule.name for rule in file.policy.rules],
    }
    if arguments.claims is None:
        _print(arguments, fields, f"valid: {len(file.policy.rules)} rules, sha256:{file.sha256}")
        return 0
    claims = _claims(arguments.claims)
    answer = ask(file.policy, claims)
    fields["rule"] = answer.rule.name if answer.rule else None
    fields["explanation"] = [
        {
            "rule": one.rule.name,
            "matched": one.matched,
            "claims": [
                {"claim": x.name, "wanted": x.wanted, "actual": x.actual, "matched": x.matched}
                for x in one.lines
            ],
        }
        for one in answer.rules
    ]
    lines = [f"decides: {answer.rule.name}" if answer.rule else "no rule allows these claims"]
    for one in answer.rules:
        lines.append(f"{'+' if one.matched else '-'} {one.rule.name}")
        for line in one.lines:
            mark = "  matches" if line.matched else "  DIFFERS"
            actual = "absent" if line.actual is None else repr(line.actual)
            lines.append(f"{mark} {line.name}: {actual}, wanted {line.wanted}")
    _print(arguments, fields, "\n".join(lines))
    return 0 if answer.rule else 4


def _compile(arguments: argparse.Namespace, _environ: Mapping[str, str], log: Log) -> int:
    from signer.gate.compile_aws import compile_policy, terraform
    from signer.gate.policy import load

    compiled = compile_policy(load(arguments.policy).policy)
    for line in compiled["not-expressed"]:
        log.warning("policy audit: not expressed", line)
    print(json.dumps(terraform(compiled) if arguments.terraform else compiled, indent=2))
    return 0


def _claims(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            claims = json.loads(file.read(_LARGEST_CLAIMS))
    except (OSError, ValueError, RecursionError) as error:
        raise _bad_claims(path, str(error)) from None
    if not isinstance(claims, dict):
        raise _bad_claims(path, "it is not an object")
    return {name: value for name, value in claims.items() if isinstance(value, str)}


def _bad_claims(path: Path, detail: str) -> UsageError:
    return UsageError(
        "claims-unreadable",
        f"the claims file {path} cannot be read: {detail}",
        fix='write a JSON object such as {"repository": "acme/payments", "ref": "…"}.',
    )


def _print(arguments: argparse.Namespace, fields: dict[str, Any], text: str) -> None:
    print(json.dumps(fields, indent=2) if arguments.json else text)
