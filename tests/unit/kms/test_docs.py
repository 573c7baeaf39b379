"""docs/embedded-kms.md lists every refusal, and none that there is not."""

import re
from pathlib import Path

import signer.kms.errors

DOCS = Path(__file__).parents[3] / "docs" / "embedded-kms.md"


def test_the_refusals_are_those_of_the_code() -> None:
    code = Path(signer.kms.errors.__file__).read_text()
    listed = re.findall(r"^\| `(kms-[a-z-]+)` \|", DOCS.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(re.findall(r'"(kms-[a-z-]+)"', code))
