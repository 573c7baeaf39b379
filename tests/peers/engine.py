"""A Docker engine and the base image: the machine's own, or Debian's, started here.

A machine with an engine keeps it as it is. One that has none, and where this user is root, gets
Debian's ``docker.io``, run without iptables and bridge: containers there have the host's
network, or none.
"""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.peers.cache import CACHE, LOGS, PeerError
from tests.peers.commands import answer, apt_install, logged

BASE_IMAGE = "python:3.13-slim-trixie"
IMAGE = "policy-audit-signer:test"
CLI_IMAGE = "policy-audit-signer-cli:test"

_REPOSITORY = Path(__file__).parents[2]
_BASE_TAR = CACHE / "base-image.tar"
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PACKAGES = ("docker.io", "iptables")


def client() -> Path:
    """The Docker client.

    Raises:
        PeerError: there is none.
    """
    found = shutil.which("docker")
    if found is None:
        raise PeerError("no docker on PATH")
    return Path(found)


def answers() -> bool:
    """Whether an engine answers."""
    return answer(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=30) is not None


def has_bridge() -> bool:
    """Whether containers of this engine can have a network of their own."""
    names = answer(["docker", "network", "ls", "--format", "{{.Name}}"]) or ""
    return "bridge" in names.split()


def start() -> str:
    """Make an engine answer.

    Returns:
        What was done.

    Raises:
        PeerError: there is none, and none could be started.
    """
    if answers():
        return "an engine answers"
    if os.geteuid() != 0:
        raise PeerError("no Docker engine answers, and only root can start one here")
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        apt_install("docker", _PACKAGES)
    _forget_dead_engine()
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "dockerd.log").open("ab") as log:
        subprocess.Popen(
            ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if answers():
            return "started dockerd"
        time.sleep(0.5)
    raise PeerError(f"dockerd does not answer; its log is {LOGS / 'dockerd.log'}")


def base_image() -> str:
    """Make the base image exist: what the engine has, what can be pulled, or made from Debian.

    Returns:
        What was done.

    Raises:
        PeerError: no engine, or neither way works.
    """
    if answer(["docker", "image", "inspect", BASE_IMAGE]) is not None:
        return "in the engine"
    with suppress(PeerError):
        logged("base-pull", ["docker", "pull", "--quiet", BASE_IMAGE], timeout=180)
        return "pulled"
    if not _BASE_TAR.exists():
        _bootstrap()
    logged("base-import", ["docker", "import", _BASE_TAR, BASE_IMAGE], timeout=300)
    return "made from Debian's packages"


def build() -> str:
    """Build the action's image under the name that tests use.

    Returns:
        What was done.

    Raises:
        PeerError: the build failed.
    """
    build_image("image", IMAGE, _REPOSITORY / "Dockerfile", _REPOSITORY)
    return f"{IMAGE} built"


def build_cli() -> str:
    """Build the image of the second action, which has the aws and az command lines.

    Returns:
        What was done.

    Raises:
        PeerError: the build failed.
    """
    build_image("cli-image", CLI_IMAGE, _REPOSITORY / "Dockerfile.cli", _REPOSITORY)
    return f"{CLI_IMAGE} built"


def build_image(log: str, tag: str, dockerfile: Path, context: Path) -> None:
    """Build an image.

    An engine without a bridge has no network in ``RUN`` unless it is the host's; and act, which
    builds without BuildKit, finds the layers in the cache only when BuildKit is off here too.

    Raises:
        PeerError: the build failed.
    """
    how = [] if has_bridge() else ["--network=host"]
    settings = {} if has_bridge() else {"DOCKER_BUILDKIT": "0"}
    command = ["docker", "build", *how, "--tag", tag, "--file", str(dockerfile), str(context)]
    logged(log, command, timeout=900, environment=settings)


def _bootstrap() -> None:
    """Make a root file system with Debian's Python 3.13 and this machine's trusted certificates.

    Raises:
        PeerError: no root, or mmdebstrap failed.
    """
    if shutil.which("mmdebstrap") is None:
        apt_install("base", ["mmdebstrap"])
    partial = _BASE_TAR.with_suffix(".partial.tar")
    command: list[str | Path] = [
        "mmdebstrap",
        "--variant=minbase",
        "--include=ca-certificates,python3,python3-venv,python3-pip",
    ]
    if _CA_BUNDLE.exists():
        command.append(f'--customize-hook=cp {_CA_BUNDLE} "$1{_CA_BUNDLE}"')
    logged("base", [*command, "trixie", partial], timeout=600)
    partial.replace(_BASE_TAR)


def _forget_dead_engine() -> None:
    """Remove the pid files of an engine that ended with the machine's last session."""
    for path in map(Path, ("/run/docker.pid", "/run/docker/containerd/containerd.pid")):
        with suppress(FileNotFoundError):
            name = Path(f"/proc/{path.read_text().strip()}/comm")
            if not (name.exists() and name.read_text().strip() in ("dockerd", "containerd")):
                path.unlink()
