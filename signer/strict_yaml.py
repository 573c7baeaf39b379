"""YAML that every reader reads alike: one document, plain text scalars, nothing said twice.

Every scalar is text (``repository_id: 0123`` stays as it is written, ``on`` is no boolean).
Anchors, aliases, tags, duplicate keys and deep nesting are refused, which leaves no way for a
small file to become a large document.
"""

from typing import Any

import yaml
from yaml.constructor import ConstructorError

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


class PlainYamlError(ValueError):
    """The document cannot be read; the message says why.

    Attributes:
        place: ``:LINE:COLUMN``, both 1-based, to stand behind the file's name; empty where it is
            not known.
    """

    def __init__(self, detail: str, mark: yaml.Mark | None = None) -> None:
        super().__init__(detail)
        self.place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""


def load(content: bytes) -> Any:
    """The document: dicts, lists and text.

    Args:
        content: the file's bytes, foreign; the caller decides how many there may be.

    Raises:
        PlainYamlError: it is anything else.
    """
    try:
        text = content.decode("utf-8")
        _require_visible(text)
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise PlainYamlError(f"it is not UTF-8 (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PlainYamlError(error.problem or "it cannot be read", mark) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Of no escape and no directive is it said that it is too large: PyYAML just fails.
        raise PlainYamlError(str(error).split("\n")[0]) from None


def _require_visible(text: str) -> None:
    # YAML 1.1, which PyYAML reads, ends a line at U+0085, U+2028 and U+2029; YAML 1.2 and people
    # do not. What turns the direction of writing or has no width hides as well.
    for number, line in enumerate(text.split("\n"), 1):
        rest = line.removesuffix("\r").replace("\t", "")
        if not rest.isprintable():
            hidden = next(one for one in rest if not one.isprintable())
            raise PlainYamlError(
                f"line {number} has a character that cannot be seen (U+{ord(hidden):04X})"
            )
