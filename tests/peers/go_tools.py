"""Peers that are Go programs: built at a pinned version by the Go toolchain."""

import shutil
from dataclasses import dataclass

from tests.peers.cache import BIN, PeerError
from tests.peers.commands import answer, logged


@dataclass(frozen=True)
class GoTool:
    """A command of a Go module at a pinned version."""

    module: str
    version: str
    command: str = ""


GO_TOOLS = {
    "actionlint": GoTool("github.com/rhysd/actionlint", "v1.7.12", "/cmd/actionlint"),
    "act": GoTool("github.com/nektos/act", "v0.2.89"),
    "terraform-config-inspect": GoTool(
        "github.com/hashicorp/terraform-config-inspect", "v0.0.0-20260904064934-75d64de68c31"
    ),
    "cosign": GoTool("github.com/sigstore/cosign/v3", "v3.1.3", "/cmd/cosign"),
}


def install(name: str) -> str:
    """Build a tool into the cache, unless it is there at that version.

    Returns:
        What was done.

    Raises:
        PeerError: no Go toolchain, or the build failed.
    """
    tool = GO_TOOLS[name]
    program = BIN / name
    if program.exists() and _version(name) in (tool.version, None):
        return f"{tool.version} in the cache"
    if shutil.which("go") is None:
        if found := shutil.which(name):
            return f"{found}, as it is"
        raise PeerError(f"needs a Go toolchain to build {tool.module}@{tool.version}")
    BIN.mkdir(parents=True, exist_ok=True)
    logged(
        name,
        ["go", "install", f"{tool.module}{tool.command}@{tool.version}"],
        timeout=900,
        environment={"GOBIN": str(BIN), "GOFLAGS": "-buildvcs=false"},
    )
    return f"{tool.version} built"


def _version(name: str) -> str | None:
    """The version that a program in the cache was built at; nothing without a toolchain."""
    told = answer(["go", "version", "-m", BIN / name])
    for line in (told or "").splitlines():
        words = line.split()
        if words[:1] == ["mod"] and words[1] == GO_TOOLS[name].module:
            return words[2]
    return None
