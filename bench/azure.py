"""Sign with Azure Key Vault as a whole process, beside `az keyvault key sign`; one stand-in."""

import base64
import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from bench.process import EXAMPLE, RUN_SIGNER, print_import_costs, run
from bench.rounds import take_turns
from tests.azure_stand_in import StandIn, running
from tests.peers import find

ROUNDS = 11
OURS = "signer sign, azure_kv_sdk"
PEER = "az keyvault key sign"
_AZURE = ("azure-keyvault-keys", "azure-identity")
_KEPT_OUT = ("aiohttp", "asyncio", "boto3", "botocore", "sqlite3", "xmlrpc")
_OTHERS = ("boto3", "cryptography", "msgspec", "pydantic")


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        running(Path(directory)) as azure,
    ):
        measure(azure, Path(directory))
    print_sizes()


def measure(azure: StandIn, folder: Path) -> None:
    """Both in turn; ours signs in at each run, and az has signed in before."""
    vault = azure.add_vault("acme-audit")
    vault.add("policy")
    application = azure.entra.register()
    vault.grants |= {(application.client_id, name) for name in ("keys/read", "keys/sign/action")}
    audit = folder / "audit.jsonl"
    audit.write_bytes(b"".join(EXAMPLE.read_bytes().splitlines(keepends=True)[:10]))
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **azure.environment(), **azure.job()}
    settings = {
        "provider": "azure_kv_sdk",
        "azure-kv-name": "acme-audit",
        "azure-kv-key": "policy",
        "azure-tenant-id": azure.entra.tenant,
        "azure-client-id": application.client_id,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    sign = ["-c", RUN_SIGNER, "sign", str(audit), "--overwrite", *options]
    contenders = {OURS: run([sys.executable, *sign], environ)}
    az = find("az")
    if az is None:
        print("bench: no az here (make peers), so its figure is missing", file=sys.stderr)
    else:
        who = ["--username", application.client_id, f"--password={application.secret}"]
        login = ["login", "--service-principal", *who, "--tenant", azure.entra.tenant]
        quiet = {**environ, "AZURE_CORE_COLLECT_TELEMETRY": "false"}
        run([str(az), *login, "--skip-subscription-discovery"], quiet)()
        digest = base64.b64encode(hashlib.sha256(audit.read_bytes()).digest()).decode()
        key = ["--vault-name", "acme-audit", "--name", "policy"]
        words = ["keyvault", "key", "sign", *key, "--algorithm", "ES256", "--digest", digest]
        contenders[PEER] = run([str(az), *words], quiet)
    title = f"Sign {audit.stat().st_size:,} bytes with a key of Azure Key Vault, a whole process"
    take_turns(title, contenders, peer=PEER if az else OURS, rounds=ROUNDS)
    imported = print_import_costs([sys.executable, "-X", "importtime", *sign], environ)
    if excess := sorted(imported.intersection(_KEPT_OUT)):
        raise SystemExit(f"imported, but not needed: {', '.join(excess)}")
    print(f"  not imported: {', '.join(_KEPT_OUT)}")


def print_sizes() -> None:
    """What Azure's packages add to the image: those that nothing else needs, without byte code."""
    excess = closure(_AZURE) - closure(_OTHERS)
    sizes = {name: size(distribution(name)) for name in excess}
    print(f"\nAzure's packages add {sum(sizes.values()) / 1e6:.1f} MB, without byte code")
    for name, count in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"  {name:44} {count / 1e6:7.2f} MB")


def closure(names: tuple[str, ...]) -> set[str]:
    """Distributions and all that they need, where they are installed."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name not in found:
            try:
                waiting += needed(distribution(name))
            except PackageNotFoundError:
                continue
            found.add(name)
    return found


def needed(package: Distribution) -> Iterator[str]:
    """The names that a distribution requires outside its extras."""
    for line in package.requires or ():
        if "extra ==" not in line and (match := re.match(r"[\w.-]+", line)):
            yield match[0]


def size(package: Distribution) -> int:
    """The bytes of a distribution's files."""
    paths = [Path(str(file.locate())) for file in package.files or ()]
    return sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.is_file())


if __name__ == "__main__":
    subprocess.run([sys.executable, "-m", "compileall", "-q", "signer"], check=True)
    main()
