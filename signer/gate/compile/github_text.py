"""What is compiled for GitHub as text: a list to read, whose commands can be run one by one."""

import json
import re
import shlex
from typing import Any


def as_text(compiled: dict[str, Any]) -> str:
    """The steps, each as a comment and a command of the GitHub CLI.

    Args:
        compiled: what `signer.gate.compile.github.compile_policy` gives.
    """
    lines = [
        f"# For the signing policy {compiled['policy-digest']}. Read each step, then run it.",
        "# Optional commands are comments. GitHub takes no ID of … that is not replaced.",
    ]
    for number, step in enumerate(compiled["steps"], 1):
        lines += [
            "",
            _comment(f"{number}. {step['text']}"),
            _comment(f"   for: {', '.join(step['rules'])}"),
        ]
        command = [
            f"gh api --method {step['method']} {shlex.quote(step['path'])} --input - <<'JSON'",
            _body(step["body"]),
            "JSON",
        ]
        lines += [_comment(line) for line in command] if step["optional"] else command
    lines += ["", "# Not expressed by GitHub:"]
    lines += [_comment(f"- {line}") for line in compiled["not-expressed"]]
    return "\n".join(lines)


def _body(body: dict[str, Any]) -> str:
    # Without the quotes, which would stay around the number that replaces it.
    return re.sub(r'"(ID of [^"\\]+)"', r"\1", json.dumps(body))


def _comment(text: str) -> str:
    # After a line feed a shell would read a command; that a policy has none is checked elsewhere.
    return "# " + "".join(one if one.isprintable() else " " for one in text)
