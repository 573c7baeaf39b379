"""YAML that every reader reads alike: one document, plain text scalars, nothing said twice.

Every scalar is text (``repository_id: 0123`` stays as it is written, ``on`` is no boolean).
Anchors, aliases, tags, duplicate keys, deep nesting and large files are refused, which leaves
no way for a small file to become a large document.
"""

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from signer.errors import UsageError

MAX_BYTES = 1 << 16
MAX_DEPTH = 8


class _Loader(yaml.BaseLoader):
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ConstructorError(None, None, "anchors and aliases are not taken", mark)
        if getattr(event, "tag", None) is not None:
            raise ConstructorError(None, None, "tags are not taken", mark)
        if self.depth >= MAX_DEPTH:
            raise ConstructorError(None, None, "it is nested too deeply", mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.value in seen:
                raise ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def load(content: bytes, path: Path) -> Any:
    """The document: dicts, lists and text.

    Args:
        content: the file's bytes, foreign.
        path: its name, for messages.

    Raises:
        UsageError: ``policy-too-large`` or ``policy-not-yaml``, with line and column.
    """
    if len(content) > MAX_BYTES:
        raise UsageError(
            "policy-too-large",
            f"the signing policy {path} has more than {MAX_BYTES} bytes",
            fix="make it smaller: a glob or a list may say the same.",
        )
    try:
        text = content.decode("utf-8")
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise _not_yaml(str(path), f"it is not UTF-8 (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise _not_yaml(place, error.problem or "it cannot be read") from None
    except yaml.YAMLError as error:
        raise _not_yaml(str(path), str(error).split("\n")[0]) from None


def _not_yaml(place: str, detail: str) -> UsageError:
    return UsageError(
        "policy-not-yaml",
        f"{place}: the signing policy is not plain YAML: {detail}",
        fix="mend that line; docs/gate.md shows the shape.",
    )
