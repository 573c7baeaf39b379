"""Documentation that can drift is held against the code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import yaml

from docs.error_codes import error_codes

ROOT = Path(__file__).parents[2]


def test_generated_documents_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_error_code_is_documented_and_no_other() -> None:
    documented = set()
    for line in (ROOT / "docs" / "errors.md").read_text().splitlines():
        if line.startswith(("| `", "`internal`")):
            documented |= set(
                re.findall(r"`([a-z0-9-]+)`", line.strip("|").split("|")[0].split(" (")[0])
            )
    assert documented == error_codes(ROOT / "signer")


def test_the_schema_of_the_signing_policy_takes_the_guides_example() -> None:
    example = (ROOT / "docs" / "gate.md").read_text().split("```yaml\n")[1].split("```")[0]
    schema = json.loads((ROOT / "docs" / "signing-policy.schema.json").read_text())
    jsonschema.validate(yaml.safe_load(example), schema)


def test_every_relative_link_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
