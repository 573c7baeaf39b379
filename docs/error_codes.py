"""The codes of all errors, read from the source: each is a literal where the error is raised."""

import ast
import re
from pathlib import Path

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ERRORS = re.compile(r"\w*Error|refuse|_unequal|_Remedy|_Row")


def error_codes(package: Path) -> set[str]:
    """Every code in a package's source.

    Args:
        package: the folder ``signer``.
    """
    codes: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                first = node.args[0]
                if (
                    _ERRORS.fullmatch(name)
                    and isinstance(first, ast.Constant)
                    and isinstance(first.value, str)
                    and _CODE.fullmatch(first.value)
                ):
                    codes.add(first.value)
    return codes


if __name__ == "__main__":
    print("\n".join(sorted(error_codes(Path(__file__).parent.parent / "signer"))))
