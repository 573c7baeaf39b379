"""Signing with AWS KMS beside `aws kms sign` and `cosign sign-blob`, against one local server."""

import compileall
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.process import RUN_SIGNER, print_import_costs
from bench.rounds import Sample, take_turns
from tests.integration.aws.cloud import Cloud, running_server
from tests.peers import find

ROUNDS = 15
LARGE_ROUNDS = 7
LARGE = 1_000_000_000
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Print the tables; a peer that is missing is named instead."""
    aws, cosign = find("aws"), find("cosign")
    if aws is None or cosign is None:
        print("bench: aws or cosign is missing; run make peers", file=sys.stderr)
        return
    compileall.compile_dir(str(ROOT / "signer"), quiet=1)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, running_server(Path(name)) as url:
        folder = Path(name)
        cloud = Cloud(url, aws)
        cloud.key()
        environ = {**cloud.environ, "HOME": name, "COSIGN_YES": "true"}
        small = folder / "small.bin"
        small.write_bytes(b'{"decision":1}\n')
        digest = folder / "digest"
        digest.write_bytes(hashlib.sha256(small.read_bytes()).digest())
        signer = _signer(small)
        contenders = {
            "aws kms sign": _timed(_aws(aws, digest), environ),
            "signer sign, aws_kms_sdk": _timed(signer, environ),
        }
        title = "Sign a small file with an AWS KMS key, a whole process"
        take_turns(title, contenders, peer="aws kms sign", rounds=ROUNDS)
        contenders = {
            "cosign sign-blob": _timed(_cosign(cosign, small), environ),
            "boto3 alone: GetPublicKey, Sign": _timed(_boto3(digest), environ),
            "signer sign, aws_kms_sdk": _timed(signer, environ),
        }
        take_turns(title, contenders, peer="cosign sign-blob", rounds=ROUNDS)
        print_import_costs([signer[0], "-X", "importtime", *signer[1:]], environ)
        large = folder / "large.bin"
        _write_large(large)
        contenders = {
            "cosign sign-blob": _timed(_cosign(cosign, large), environ),
            "signer sign, aws_kms_sdk": _timed(_signer(large), environ),
        }
        title = f"Sign {LARGE / 1e9:.0f} GB with an AWS KMS key, a whole process"
        take_turns(title, contenders, peer="cosign sign-blob", rounds=LARGE_ROUNDS)


def _signer(audit: Path) -> list[str]:
    command = [sys.executable, "-c", RUN_SIGNER, "sign", str(audit), "--overwrite"]
    return [*command, "--provider", "aws_kms_sdk", "--aws-kms-key", "alias/ECC_NIST_P256"]


def _aws(aws: Path, digest: Path) -> list[str]:
    return [
        *(str(aws), "kms", "sign", "--key-id", "alias/ECC_NIST_P256"),
        *("--message", f"fileb://{digest}", "--message-type", "DIGEST"),
        *("--signing-algorithm", "ECDSA_SHA_256", "--output", "text", "--query", "Signature"),
    ]


def _boto3(digest: Path) -> list[str]:
    """The least that a program with boto3 can do for a signature: what is left is ours."""
    code = (
        "import boto3, sys; kms = boto3.client('kms'); key = 'alias/ECC_NIST_P256'; "
        "kms.get_public_key(KeyId=key); kms.sign(KeyId=key, MessageType='DIGEST', "
        "Message=open(sys.argv[1], 'rb').read(), SigningAlgorithm='ECDSA_SHA_256')"
    )
    return [sys.executable, "-c", code, str(digest)]


def _cosign(cosign: Path, audit: Path) -> list[str]:
    return [
        *(str(cosign), "sign-blob", "--key", "awskms:///alias/ECC_NIST_P256"),
        *("--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format"),
        *("--bundle", str(audit.with_name("cosign.json")), str(audit)),
    ]


def _timed(command: list[str], environ: Mapping[str, str]) -> Callable[[], Sample]:
    """A contender that is a command, with its own peak memory."""

    def once() -> Sample:
        start = time.perf_counter()
        # Started by a small process: one's peak memory begins at that of who started it.
        done = subprocess.run(
            [sys.executable, "-S", "-c", _MEASURE, *command],
            check=True,
            env=dict(environ),
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - start
        inner, kib = done.stdout.splitlines()[-1].split()
        return Sample(min(seconds, float(inner)), int(kib) / 1024)

    return once


_MEASURE = """
import os, sys, time
start = time.perf_counter()
quiet = os.open(os.devnull, os.O_WRONLY)
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ,
    file_actions=[(os.POSIX_SPAWN_DUP2, quiet, 1), (os.POSIX_SPAWN_DUP2, quiet, 2)])
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - start, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _write_large(path: Path) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(LARGE // len(block)):
            file.write(block)


if __name__ == "__main__":
    main()
