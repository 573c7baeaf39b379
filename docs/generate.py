"""Write the parts of the documentation that code decides: run by `make docs`, checked by a test.

usage: python docs/generate.py [--check]
"""

import json
import re
import sys
from pathlib import Path

import yaml

from signer.audit.statement import Statement
from signer.crypto.trusted_keys import TrustedKeysFile
from signer.gate.policy import SigningPolicy
from signer.settings.given import variable_for
from signer.settings.models import SignSettings, VerifySettings, default_of, fields_of

ROOT = Path(__file__).parent.parent


def settings_table() -> str:
    """The settings as a Markdown table."""
    names: dict[str, str] = {}
    for model in (SignSettings, VerifySettings):
        for name, meaning in fields_of(model).items():
            default = default_of(model, name)
            names[name] = f"{meaning} Default: `{default}`." if default else meaning
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    rows = [f"| `{name}` | `{variable_for(name)}` | {names[name]} |" for name in inputs]
    return "\n".join(["| input, option | environment | meaning |", "|---|---|---|", *rows])


def outputs_table() -> str:
    """The step outputs as a Markdown table."""
    outputs = yaml.safe_load((ROOT / "action.yml").read_text())["outputs"]
    rows = [f"| `{name}` | {about['description']} |" for name, about in outputs.items()]
    return "\n".join(["| output | meaning |", "|---|---|", *rows])


def between(text: str, marker: str, content: str) -> str:
    """The text with what stands between two markers replaced."""
    pattern = re.compile(f"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


def documents() -> dict[Path, str]:
    """Every generated document and what it must say."""
    readme = ROOT / "README.md"
    text = between(readme.read_text(), "settings", settings_table())
    text = between(text, "outputs", outputs_table())
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:policy-audit:attestation:v1:schema",
        **Statement.model_json_schema(by_alias=True),
        "title": "The statement of a signed audit",
    }
    policy = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:policy-audit:signing-policy:v1:schema",
        **SigningPolicy.model_json_schema(),
        "title": "The signing policy of the gate",
    }
    keys = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:policy-audit:trusted-keys:v1:schema",
        **TrustedKeysFile.model_json_schema(),
        "title": "The auditor's file of trusted keys",
    }
    return {
        readme: text,
        ROOT / "docs" / "signed-audit.schema.json": json.dumps(schema, indent=2) + "\n",
        ROOT / "docs" / "trusted-keys.schema.json": json.dumps(keys, indent=2) + "\n",
        ROOT / "docs" / "signing-policy.schema.json": json.dumps(policy, indent=2) + "\n",
    }


def main() -> int:
    """Write what differs; with --check only say so, and return 1."""
    stale = [
        path for path, text in documents().items() if not path.exists() or path.read_text() != text
    ]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not up to date: make docs")
        if "--check" not in sys.argv:
            path.write_text(documents()[path])
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
