"""Reading audit files: beside Go's transparency-dev/merkle, and beside hashlib.file_digest."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.rounds import Sample, take_turns

EVENTS = 1_000_000
LINE_BYTES = 239
ROUNDS = 9
HERE = Path(__file__).parent


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        lines = Path(directory, "events.jsonl")
        write_events(lines)
        contenders = {
            "digest and root, two processes": ours("ours_without_check", lines),
            "the same with the JSON check": ours("ours", lines),
            "with the JSON check, one process": ours("ours_in_one_process", lines),
            "plain Python loop": ours("plain_loop", lines),
        }
        peer = "plain Python loop"
        if go := build_go_peer():
            peer = "Go, transparency-dev/merkle"
            contenders = {peer: go_peer(go, lines), **contenders}
        else:
            print("bench: no Go to build the peer with; its figure is missing", file=sys.stderr)
        title = f"{EVENTS:,} events of {LINE_BYTES} bytes, JSON Lines"
        take_turns(title, contenders, peer=peer, rounds=ROUNDS, quiet=True)
        lines.unlink()

        blob = Path(directory, "audit.bin")
        write_blob(blob)
        take_turns(
            "1 GB, not JSON",
            {
                "hashlib.file_digest": ours("file_digest", blob),
                "digest and root": ours("ours_as_bytes", blob),
            },
            peer="hashlib.file_digest",
            rounds=ROUNDS,
            quiet=True,
        )


def write_events(path: Path) -> None:
    """A million events of 239 bytes, LF included, shaped like OPA's decisions."""
    with path.open("wb") as file:
        for number in range(EVENTS):
            event = {
                "decision_id": f"{number:032x}",
                "path": "authz/allow",
                "input": {"method": "DELETE", "path": f"/orders/{number}", "user": "mallory"},
                "result": number % 3 == 0,
                "labels": {"id": "2484119e"},
                "pad": "",
            }
            short = len(json.dumps(event)) + 1
            event["pad"] = "x" * (LINE_BYTES - short)
            file.write(json.dumps(event).encode() + b"\n")


def write_blob(path: Path) -> None:
    """A thousand times the same random million bytes."""
    block = secrets.token_bytes(1_000_000)
    with path.open("wb") as file:
        for _ in range(1000):
            file.write(block)


def ours(way: str, path: Path) -> Callable[[], Sample]:
    """A contender of `bench.reading`."""
    command = [sys.executable, "-m", "bench.reading", way, str(path)]

    def run() -> Sample:
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds, kib = output.split()
        return Sample(float(seconds), int(kib) / 1024)

    return run


def go_peer(program: Path, path: Path) -> Callable[[], Sample]:
    """The contender written in Go; see go/main.go for what it prints."""

    def run() -> Sample:
        command = [str(program), str(path)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        *_, seconds, kib = output.split()
        return Sample(float(seconds), int(kib) / 1024)

    return run


def build_go_peer() -> Path | None:
    """Build the peer into the cache; None where there is no Go, or no way to its modules."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache / "policy-audit-signer" / "bench-merkle"
    program.parent.mkdir(parents=True, exist_ok=True)
    built = subprocess.run([go, "build", "-o", str(program), "."], cwd=HERE / "go", check=False)
    return program if built.returncode == 0 else None


if __name__ == "__main__":
    main()
