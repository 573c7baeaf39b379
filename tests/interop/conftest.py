"""Signed audits and plain signatures of every kind of key, for other programs to verify."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from signer.crypto.keys import PublicKey
from signer.providers import kms
from signer.settings.models import SignSettings
from signer.sign.signing import sign_audit_files
from tests.peers import require

EXAMPLE = Path(__file__).parents[2] / "examples" / "opa-decisions.jsonl"


@dataclass(frozen=True)
class Signed:
    """An audit file, its signed audit and its plain signature, by one key.

    Attributes:
        plain: the plain signature; None where the file is too long for such a key.
    """

    audit: Path
    bundle: Path
    public_key: Path
    plain: Path | None
    key: PublicKey
    key_id: str


SignWith = Callable[..., Signed]


@pytest.fixture(scope="session")
def kms_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interop") / "kms"


@pytest.fixture
def sign_with(tmp_path: Path, kms_directory: Path) -> SignWith:
    """Sign an audit file with a key of the embedded KMS that fits an algorithm."""

    def sign(algorithm: str, content: bytes | None = None, *, plain: bool = True) -> Signed:
        audit = tmp_path / "audit.jsonl"
        audit.write_bytes(EXAMPLE.read_bytes() if content is None else content)
        provider = kms.open_key(f"alias/{algorithm}", kms_directory, algorithm)
        assert provider.public_key is not None
        sign_audit_files(
            [audit],
            SignSettings(audit_file=(str(audit),), plain_signature=plain),
            provider,
            run=None,
            workspace=tmp_path,
        )
        return Signed(
            audit=audit,
            bundle=tmp_path / "audit.jsonl.sigstore.json",
            public_key=tmp_path / "audit.jsonl.pub",
            plain=tmp_path / "audit.jsonl.sig" if plain else None,
            key=provider.public_key,
            key_id=provider.key_id,
        )

    return sign


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cosign(tmp_path: Path) -> Run:
    """Run cosign offline, in a home of its own."""
    program = require("cosign")
    home = tmp_path / "cosign-home"
    home.mkdir()

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            cwd=home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "TUF_ROOT": str(home / "tuf"),
                "COSIGN_PASSWORD": "",
                # Whatever asks for the network gets an error, and not an answer.
                "HTTPS_PROXY": "http://127.0.0.1:9",
                "HTTP_PROXY": "http://127.0.0.1:9",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
