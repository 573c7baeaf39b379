"""What the gate adds to `signer sign`: token, issuer's keys and rules; token and keys over TLS."""

import hashlib
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.process import EXAMPLE, RUN_SIGNER, print_import_costs, run
from bench.rounds import take_turns
from tests.issuer import Issuer

ROUNDS = 21
TARGET_SECONDS = 0.15
WITHOUT = "signer sign, no signing policy"
WITH = "signer sign, with a signing policy"
POLICY = """version: 1
issuer: {issuer}
rules:
  - name: nightly audit of payments
    runs:
      repository: acme/payments
      repository_id: "123"
      ref: refs/heads/*
      event_name: [push, schedule]
      runner_environment: github-hosted
    may_sign_with: {{provider: kms, key: alias/policy-audit, max_audit_file: 5MB}}
"""
# What only the gate needs; a run without a signing policy loads none of it.
_OF_THE_GATE = ("jwt", "yaml", "urllib.request", "http.client", "ssl", "signer.gate")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        issuer = Issuer(Path(directory))
        try:
            measure(issuer, Path(directory))
        finally:
            issuer.close()


def measure(issuer: Issuer, folder: Path) -> None:
    """Both in turn, each a whole process with the embedded KMS."""
    audit, policy = folder / "audit.jsonl", folder / "policy.yml"
    audit.write_bytes(b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:10]))
    policy.write_text(POLICY.format(issuer=issuer.url))
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "POLICY_KMS_DIRECTORY": f"{folder}/kms",
        "SSL_CERT_FILE": str(issuer.authority),
        **issuer.environ(),
    }
    sign = ["-c", RUN_SIGNER, "sign", str(audit), "--provider", "kms", "--overwrite"]
    pin = hashlib.sha256(policy.read_bytes()).hexdigest()
    gated = [*sign, "--signing-policy", str(policy), "--signing-policy-sha256", pin]
    contenders = {
        WITHOUT: run([sys.executable, *sign], environ),
        WITH: run([sys.executable, *gated], environ),
    }
    title = f"Sign {audit.stat().st_size:,} bytes, a whole process, with and without the gate"
    samples = take_turns(title, contenders, peer=WITHOUT, rounds=ROUNDS, quiet=True)
    added = median(
        gate.seconds - plain.seconds
        for gate, plain in zip(samples[WITH], samples[WITHOUT], strict=True)
    )
    verdict = "within" if added <= TARGET_SECONDS else "ABOVE"
    print(f"  the gate adds {added:.3f} s, {verdict} the {TARGET_SECONDS} s that it may")
    plain_modules = print_import_costs([sys.executable, "-X", "importtime", *sign], environ)
    if excess := sorted(plain_modules.intersection(_OF_THE_GATE)):
        raise SystemExit(f"imported without a signing policy: {', '.join(excess)}")
    print(f"  not imported: {', '.join(_OF_THE_GATE)}: without a policy the gate costs nothing")
    gate_modules = print_import_costs([sys.executable, "-X", "importtime", *gated], environ)
    if missing := sorted({*_OF_THE_GATE}.difference(gate_modules)):
        raise SystemExit(f"the gate did not import {', '.join(missing)}: was it asked at all?")


if __name__ == "__main__":
    main()
