"""`signer sign` on a small file as a whole process, and what each of its imports costs."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.rounds import Sample, take_turns

ROUNDS = 21
EXAMPLE = Path(__file__).parents[1] / "examples" / "opa-decisions.jsonl"
RUN_SIGNER = "import sys; sys.argv[0] = 'signer'; from signer.cli import main; main()"
# What a signature with the embedded KMS has no use for; some of it other providers need.
NOT_NEEDED = (
    *("asyncio", "concurrent", "http", "multiprocessing", "sqlite3", "ssl", "subprocess"),
    *("unittest", "xml", "azure", "boto3", "botocore", "requests", "urllib3"),
)
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        audit = Path(directory, "audit.jsonl")
        audit.write_bytes(b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:10]))
        environ = {
            "PATH": os.defpath,
            "HOME": directory,
            "POLICY_KMS_DIRECTORY": f"{directory}/kms",
        }
        sign = ["-c", RUN_SIGNER, "sign", str(audit), "--provider", "kms", "--overwrite"]
        signer = [sys.executable, *sign]
        run(signer, environ)()  # makes the key
        contenders = {
            "python -c pass": run([sys.executable, "-c", "pass"], environ),
            "signer sign, embedded KMS": run(signer, environ),
        }
        if openssl := shutil.which("openssl"):
            contenders["openssl dgst -sign"] = run(openssl_sign(openssl, audit), environ)
        else:
            print("bench: no openssl here, so its figure is missing", file=sys.stderr)
        title = f"Sign {audit.stat().st_size:,} bytes, a whole process"
        take_turns(title, contenders, peer="python -c pass", rounds=ROUNDS)
        print_imports([sys.executable, "-X", "importtime", *sign], environ)


def run(command: list[str], environ: Mapping[str, str]) -> Callable[[], Sample]:
    """A contender that is a command, timed from its start to its exit."""

    def once() -> Sample:
        start = time.perf_counter()
        subprocess.run(command, check=True, env=environ, capture_output=True)
        return Sample(time.perf_counter() - start)

    return once


def openssl_sign(openssl: str, audit: Path) -> list[str]:
    """The command that signs with a new P-256 key, as the embedded KMS does."""
    key = audit.with_name("key.pem")
    make = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key)]
    subprocess.run([openssl, *make], check=True, capture_output=True)
    output = str(audit.with_name("openssl.sig"))
    return [openssl, "dgst", "-sha256", "-sign", str(key), "-out", output, str(audit)]


def print_imports(command: list[str], environ: Mapping[str, str]) -> None:
    """What imports cost, and that nothing is imported that the embedded KMS does not need."""
    imported = print_import_costs(command, environ)
    if excess := sorted(imported.intersection(NOT_NEEDED)):
        raise SystemExit(f"imported, but not needed: {', '.join(excess)}")
    print(f"  not imported: {', '.join(NOT_NEEDED)}")


def print_import_costs(command: list[str], environ: Mapping[str, str]) -> set[str]:
    """A table of what imports cost, by top-level package, from `-X importtime`.

    Returns:
        The modules that were imported, packages among them.
    """
    log = subprocess.run(command, check=True, env=environ, capture_output=True, text=True).stderr
    cost: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for microseconds, module in _IMPORT.findall(log):
        package = module.partition(".")[0]
        name = "the standard library" if package in sys.stdlib_module_names else package
        cost[name] += int(microseconds)
        modules[name] += 1
    print(f"\nImports of that process: {cost.total() / 1000:.0f} ms, measured once")
    for name, microseconds in cost.most_common(8):
        print(f"  {name:44} {microseconds / 1000:7.1f} ms {modules[name]:5} modules")
    return {module for _, module in _IMPORT.findall(log)}


if __name__ == "__main__":
    main()
