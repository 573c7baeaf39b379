"""However a job ends, neither an ``az`` nor its login is left."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hanging import hanging
from tests.integration.azure.conftest import Place


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal(cli: Place, tmp_path: Path, number: signal.Signals) -> None:
    az = hanging(tmp_path, Path(cli.environ["AZ_CLI"]), "sign")
    cli.environ |= {"AZ_CLI": str(az.program), "TMPDIR": str(az.temporary)}
    files = ["audit.jsonl", "second.jsonl"]
    (cli.folder / "second.jsonl").write_bytes((cli.folder / "audit.jsonl").read_bytes())
    name = cli.vault.host.partition(".")[0]
    options = ["--provider=azure_kv", f"--azure-kv-name={name}", "--azure-kv-key=policy"]
    code = "from signer.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "sign", *files, *options, *cli.federated],
        cwd=cli.folder,
        env=cli.environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        az.wait_for(1, process)  # the first call is made alone
        assert any(folder.rglob("*") for folder in az.temporary.iterdir())  # the login
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert az.left() == []
