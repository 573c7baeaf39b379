"""Terraform's JSON syntax (files that end in ``.tf.json``).

Source: Terraform, "JSON Configuration Syntax": every string is a template, in which ``${`` and
``%{`` begin an expression.
"""

import re
from collections.abc import Iterable
from typing import Any


def literal(value: Any) -> Any:
    """A value in which no text is an expression.

    Args:
        value: text, or lists and objects of it.
    """
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, list):
        return [literal(one) for one in value]
    if isinstance(value, dict):
        return {name: literal(one) for name, one in value.items()}
    return value


def label(name: str) -> str:
    """A resource's name; different texts may give the same, see `labels`.

    Args:
        name: any text.
    """
    plain = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"x_{plain}"


def labels(names: Iterable[str]) -> dict[str, str]:
    """A resource's name for each of several texts, no two alike.

    Args:
        names: the texts.
    """
    found: dict[str, str] = {}
    for name in names:
        start, count = label(name), 1
        while name not in found:
            tried = start if count == 1 else f"{start}_{count}"
            if tried not in found.values():
                found[name] = tried
            count += 1
    return found


def aliases(provider: str, owners: Iterable[str]) -> dict[str, dict[str, str]]:
    """The meta-argument that puts a resource into one of several accounts; none where there is one.

    Args:
        provider: the provider's name.
        owners: what each resource belongs to: an account, an organization.

    Returns:
        by owner, to be merged into its resources.
    """
    names = sorted(set(owners))
    if len(names) < 2:
        return {name: {} for name in names}
    return {name: {"provider": f"{provider}.{its}"} for name, its in labels(names).items()}


def document(
    providers: dict[str, dict[str, Any]],
    blocks: dict[str, Any],
    *,
    used: Iterable[dict[str, str]] = (),
    not_expressed: Iterable[str],
    required_version: str = "",
) -> dict[str, Any]:
    """The whole file.

    Args:
        providers: the required ones, with source and version.
        blocks: its top-level blocks; empty ones are left out, and in ``data`` and ``resource``
            types that have none, which Terraform takes for a block without its name.
        used: the meta-arguments of `aliases` that are in it.
        not_expressed: what stands at its head as a comment.
        required_version: of Terraform itself; empty where any will do.
    """
    required = {name: dict(one) for name, one in providers.items()}
    for one in used:
        if reference := one.get("provider"):
            name = reference.partition(".")[0]
            required[name].setdefault("configuration_aliases", []).append(reference)
    for block in ("data", "resource"):
        types = blocks.get(block, {})
        blocks = {**blocks, block: {kind: ones for kind, ones in types.items() if ones}}
    return {
        "//": ["Not expressed, checked by the gate only:", *not_expressed],
        "terraform": {
            **({"required_version": required_version} if required_version else {}),
            "required_providers": required,
        },
        **{name: block for name, block in blocks.items() if block},
    }
