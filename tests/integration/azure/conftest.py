"""A vault and its tenant for each test, and the signer in a process of its own beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.azure_stand_in import StandIn, Vault, running
from tests.azure_stand_in.entra import Application
from tests.peers import require

ROOT = Path(__file__).parents[3]
AUDIT = b'{"decision_id":"1","result":{"allow":true}}\n'
ACTIONS = ("keys/read", "keys/sign/action")


@dataclass
class Ended:
    """How the signer ended."""

    code: int
    outputs: dict[str, Any]
    log: str

    @property
    def error(self) -> str:
        """The code of the error; empty for none."""
        return self.log.partition("error[")[2].partition("]")[0]


@dataclass
class Place:
    """A job beside the stand-in.

    Attributes:
        folder: its workspace.
        azure: the stand-in.
        vault: a vault with the key ``policy`` (P-256), which the application may sign with.
        application: who signs.
        provider: the provider under test.
        environ: the job's environment.
        said: options of every signature.
    """

    folder: Path
    azure: StandIn
    vault: Vault
    application: Application
    provider: str
    environ: dict[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def federated(self) -> tuple[str, ...]:
        """The settings that sign in with the job's own token."""
        tenant, client = self.azure.entra.tenant, self.application.client_id
        return f"--azure-tenant-id={tenant}", f"--azure-client-id={client}"

    def sign(
        self,
        *options: str,
        key: str = "policy",
        name: str | None = None,
        files: Sequence[str] = ("audit.jsonl",),
        federated: bool = True,
    ) -> Ended:
        """Sign audit files, with the job's own token unless told otherwise."""
        vault = name or self.vault.host.partition(".")[0]
        chosen = [f"--azure-kv-name={vault}", f"--azure-kv-key={key}"]
        chosen += [f"--provider={self.provider}", "--overwrite"]
        return self.signer(
            "sign", *files, *chosen, *(self.federated if federated else ()), *self.said, *options
        )

    def signer(self, *arguments: str) -> Ended:
        """Run the command line, to its end."""
        done = subprocess.run(
            [sys.executable, "-c", "from signer.cli import main; main()", *arguments, "--json"],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        outputs = json.loads(done.stdout) if done.stdout else {}
        return Ended(done.returncode, outputs, done.stderr)

    def asked(self, pattern: str) -> int:
        """How many requests of the stand-in's log have this text in them."""
        return sum(pattern in line for line in self.azure.log)


@pytest.fixture
def azure(tmp_path: Path) -> Iterator[StandIn]:
    with running(tmp_path) as stand_in:
        yield stand_in


@pytest.fixture(params=["azure_kv_sdk", "azure_kv"])
def place(request: pytest.FixtureRequest, azure: StandIn, tmp_path: Path) -> Place:
    """A job for each of the two providers."""
    return _place(request.param, azure, tmp_path)


@pytest.fixture
def sdk(azure: StandIn, tmp_path: Path) -> Place:
    """A job for the SDK alone."""
    return _place("azure_kv_sdk", azure, tmp_path)


@pytest.fixture
def cli(azure: StandIn, tmp_path: Path) -> Place:
    """A job for the command line alone."""
    return _place("azure_kv", azure, tmp_path)


def _place(provider: str, azure: StandIn, tmp_path: Path) -> Place:
    folder, home = tmp_path / "workspace", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (folder / "audit.jsonl").write_bytes(AUDIT)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        **azure.environment(),
        **azure.job(),
    }
    if provider == "azure_kv":
        environ["AZ_CLI"] = str(require("az"))
    vault = azure.add_vault("acme-audit")
    vault.add("policy")
    application = azure.entra.register()
    vault.grants |= {(application.client_id, action) for action in ACTIONS}
    return Place(folder, azure, vault, application, provider, environ)
