"""The commands ``signer policy …``: check, explain and compile a signing policy."""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signer.commands.printing import print_json, print_text
from signer.errors import UsageError
from signer.github.commands import log_line
from signer.log import Log

if TYPE_CHECKING:
    from signer.gate.matching import Answer
    from signer.gate.policy import PolicyFile, Rule

Compiled = tuple[dict[str, Any], str | None]

_CHECK_EXAMPLES = """examples:
  signer policy check signing-policy.yml
  signer policy check signing-policy.yml --claims claims.json

A claims file is a JSON object with GitHub's claim names, as in the payload of an OIDC token.
The claims alone are compared; with what the deciding rule lets sign is shown beside them.
"""
_COMPILE_EXAMPLES = """examples:
  signer policy compile signing-policy.yml --for aws
  signer policy compile signing-policy.yml --for azure --terraform > signing.tf.json
  signer policy compile signing-policy.yml --for github

For aws and azure JSON is printed, for github a list of steps (with --json: JSON too). What a cloud
cannot express is in it, and is warned of. docs/gate-cloud.md says how to apply it.
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
        description="Print what enforces a signing policy in a cloud: roles, or steps.",
        epilog=_COMPILE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    compile_.add_argument("policy", metavar="POLICY", type=Path, help="the signing policy (YAML)")
    compile_.add_argument(
        "--for", dest="cloud", choices=["aws", "azure", "github"], required=True, help="the cloud"
    )
    form = compile_.add_mutually_exclusive_group()
    form.add_argument(
        "--terraform", action="store_true", help="in Terraform's JSON syntax (.tf.json)"
    )
    form.add_argument("--json", action="store_true", help="print one JSON object")
    compile_.set_defaults(run=_compile, github=False)


def _check(arguments: argparse.Namespace, _environ: Mapping[str, str], _log: Log) -> int:
    from signer.gate.events import TOLD_BY, dangers
    from signer.gate.matching import ask
    from signer.gate.policy import load

    file = load(arguments.policy)
    fields: dict[str, Any] = {
        "valid": True,
        "policy-digest": f"sha256:{file.sha256}",
        "rules": [rule.name for rule in file.policy.rules],
    }
    if arguments.claims is None:
        count = len(file.policy.rules)
        text = f"valid: {count} rule{'s' if count > 1 else ''}, sha256:{file.sha256}"
        _print(arguments, fields, text)
        return 0
    claims = _claims(arguments.claims)
    answer = ask(file.policy, claims)
    found = dangers(claims, None)
    matching: list[dict[str, Any]] = [
        {
            "rule": one.rule.name,
            "may-sign-with": _may_sign_with(one.rule),
            "dangerous": [name for name in found if name not in one.rule.allow_dangerous],
        }
        for one in answer.rules
        if one.matched
    ]
    fields |= {"rule": None, "dangerous": []} | (matching[0] if matching else {})
    fields |= {"matching": matching, "explanation": _explanation(answer)}
    told = {
        name: ", ".join(f"{claim} is {claims.get(claim, 'absent')!r}" for claim in TOLD_BY[name])
        for name in found
    }
    _print(arguments, fields, "\n".join(_lines(answer, matching, told)))
    return 0 if any(not one["dangerous"] for one in matching) else 4


def _may_sign_with(rule: "Rule") -> dict[str, Any]:
    from signer.gate.key_age import told

    allowed = rule.may_sign_with.model_dump(mode="json", exclude_none=True)
    if (age := rule.may_sign_with.max_key_age) is not None:
        allowed["max_key_age"] = told(age)  # pydantic says P1Y, which no policy may
    return allowed


def _explanation(answer: "Answer") -> list[dict[str, Any]]:
    return [
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


def _lines(
    answer: "Answer", matching: list[dict[str, Any]], dangers: Mapping[str, str]
) -> list[str]:
    lines = [] if matching else ["no rule allows these claims"]
    for one in matching:
        when = "where its key, algorithm or limits do not fit, " if lines else ""
        lines.append(f"{when}decides: {one['rule']}")
        lines += [
            f"REFUSED, dangerous: {name} ({dangers[name]}), and allow_dangerous does not name it"
            for name in one["dangerous"]
        ]
        lines.append("may sign with:")
        lines += [f"  {name}: {_shown(value)}" for name, value in one["may-sign-with"].items()]
    for told in answer.rules:
        lines.append(f"{'+' if told.matched else '-'} {told.rule.name}")
        for line in told.lines:
            mark = "  matches" if line.matched else "  DIFFERS"
            actual = "absent" if line.actual is None else repr(line.actual)
            lines.append(f"{mark} {line.name}: {actual}, wanted {line.wanted}")
    return lines


def _compile(arguments: argparse.Namespace, _environ: Mapping[str, str], log: Log) -> int:
    from signer.gate.policy import load

    file = load(arguments.policy)
    compiled, text = _COMPILERS[arguments.cloud](file, terraform=arguments.terraform)
    for line in compiled["not-expressed"]:
        log.warning("policy audit: not expressed", line)
    _print(arguments, compiled, text)
    return 0


def _for_aws(file: "PolicyFile", *, terraform: bool) -> Compiled:
    from signer.gate.compile import aws, aws_terraform

    compiled = aws.compile_policy(file.policy)
    return compiled, _written(aws_terraform.terraform(compiled)) if terraform else None


def _for_azure(file: "PolicyFile", *, terraform: bool) -> Compiled:
    from signer.gate.compile import azure, azure_terraform

    compiled = azure.compile_policy(file.policy)
    return compiled, _written(azure_terraform.terraform(compiled)) if terraform else None


def _for_github(file: "PolicyFile", *, terraform: bool) -> Compiled:
    from signer.gate.compile import github, github_terraform, github_text

    compiled = github.compile_policy(file.policy, file.sha256)
    if terraform:
        return compiled, _written(github_terraform.terraform(file.policy, file.sha256))
    return compiled, github_text.as_text(compiled)


_COMPILERS: dict[str, Callable[..., Compiled]] = {
    "aws": _for_aws,
    "azure": _for_azure,
    "github": _for_github,
}


def _written(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2)


def _claims(path: Path) -> dict[str, str]:
    from signer.small_files import read_small_file

    try:
        content = read_small_file(path, _LARGEST_CLAIMS + 1)
    except OSError as error:
        raise _bad_claims(path, error.strerror or str(error)) from None
    if len(content) > _LARGEST_CLAIMS:
        raise _bad_claims(path, f"it has more than {_LARGEST_CLAIMS} bytes")
    try:
        claims = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _bad_claims(path, str(error)) from None
    if not isinstance(claims, dict):
        raise _bad_claims(path, "it is not an object")
    from signer.gate.policy import CLAIMS

    for name, value in claims.items():
        if name in CLAIMS and not isinstance(value, str):
            raise _bad_claims(path, f"{name} is {json.dumps(value)[:100]}, and must be text")
    if not claims.keys() & set(CLAIMS):
        raise _bad_claims(path, f"it has none of {', '.join(CLAIMS)}")
    return {name: value for name, value in claims.items() if isinstance(value, str)}


def _bad_claims(path: Path, detail: str) -> UsageError:
    return UsageError(
        "claims-unreadable",
        f"the claims file {path} cannot be read: {detail}",
        fix='write a JSON object such as {"repository": "acme/payments", "ref": "…"}.',
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " or ".join(value) if isinstance(value, list) else str(value)


def _print(arguments: argparse.Namespace, fields: dict[str, Any], text: str | None) -> None:
    if arguments.json or text is None:
        print_json(fields)
    else:
        print_text("\n".join(log_line(line) for line in text.split("\n")))
