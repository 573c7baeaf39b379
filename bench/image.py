"""The action's image: what it adds to its base, and how long a run takes from start to exit."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.rounds import Sample, take_turns

ROUNDS = 7
ROOT = Path(__file__).parents[1]
IMAGE = os.environ.get("BENCH_IMAGE", "policy-audit-signer:test")  # what `make image` builds
WORKSPACE = "/github/workspace"


def main() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "version"], capture_output=True).returncode:
        print("bench: no Docker engine here, so the image is not measured", file=sys.stderr)
        return
    base = re.findall(r"(?m)^FROM (\S+)$", (ROOT / "Dockerfile").read_text())[-1]
    sizes = {image: size(docker, image) for image in (base, IMAGE)}
    print(f"\n{IMAGE}: {sizes[IMAGE] / 1e6:.1f} MB, {base}: {sizes[base] / 1e6:.1f} MB")
    print(f"  bytes added to the base: {sizes[IMAGE] - sizes[base]:,}")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        shutil.copy(ROOT / "examples" / "opa-decisions.jsonl", directory)
        contenders = {
            "docker run of nothing": run(docker, base, ["true"]),
            "sign the demo's 400 decisions": run(docker, IMAGE, [], workspace=directory),
        }
        title = "docker run, from start to exit"
        take_turns(title, contenders, peer="docker run of nothing", rounds=ROUNDS)


def size(docker: str, image: str) -> int:
    """An image's size in bytes, unpacked."""
    command = [docker, "image", "inspect", "--format", "{{.Size}}", image]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(
    docker: str, image: str, arguments: list[str], *, workspace: str | None = None
) -> Callable[[], Sample]:
    """A contender that is a container, with the workspace and the inputs of the demo if any."""
    command = [docker, "run", "--rm", "--network", "none"]
    if workspace:
        command += ["-v", f"{workspace}:{WORKSPACE}", "--workdir", WORKSPACE]
        settings = {
            "GITHUB_WORKSPACE": WORKSPACE,
            "INPUT_AUDIT-FILE": "opa-decisions.jsonl",
            "INPUT_PROVIDER": "kms",
            "INPUT_OVERWRITE": "true",
            "POLICY_KMS_DIRECTORY": f"{WORKSPACE}/kms",
        }
        command += [option for pair in settings.items() for option in ("-e", "=".join(pair))]

    def once() -> Sample:
        start = time.perf_counter()
        subprocess.run([*command, image, *arguments], check=True, capture_output=True)
        return Sample(time.perf_counter() - start)

    return once


if __name__ == "__main__":
    main()
