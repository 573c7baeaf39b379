"""Peers that are Node.js packages, at pinned versions, without their install scripts."""

import json
import shutil
from pathlib import Path

from tests.peers.cache import CACHE, PeerError
from tests.peers.commands import logged

# A folder of the cache with a node_modules, and the packages in it.
NPM_TOOLS = {"sigstore-js": {"@sigstore/bundle": "4.0.0", "@sigstore/verify": "3.1.1"}}


def folder(name: str) -> Path | None:
    """The folder whose ``node_modules`` holds the packages, where all are there as pinned."""
    place = CACHE / name
    for package, version in NPM_TOOLS[name].items():
        manifest = place / "node_modules" / package / "package.json"
        if not manifest.exists() or json.loads(manifest.read_bytes())["version"] != version:
            return None
    return place if shutil.which("node") else None


def install(name: str) -> str:
    """Install a tool's packages into the cache, unless they are there at those versions.

    Returns:
        What was done.

    Raises:
        PeerError: no Node.js, or npm failed.
    """
    packages = [f"{package}@{version}" for package, version in NPM_TOOLS[name].items()]
    if folder(name):
        return "in the cache"
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise PeerError(f"needs Node.js with npm to install {' '.join(packages)}")
    place = CACHE / name
    place.mkdir(parents=True, exist_ok=True)
    options = ["--prefix", str(place), "--ignore-scripts", "--no-audit", "--no-fund"]
    logged(name, ["npm", "install", *options, *packages], timeout=300)
    return f"{' '.join(packages)} installed"
