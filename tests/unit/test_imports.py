"""What a command loads: nothing that the chosen provider does not need, and no network."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.support import EVENTS, SECRET

_NEVER = (
    *("jwt", "yaml", "signer.gate", "signer.crypto.trusted_keys", "signer.verify.trusted"),
    *("boto3", "botocore", "azure", "requests", "urllib3", "msal", "urllib.request", "http.client"),
    *("ssl", "asyncio", "multiprocessing", "concurrent.futures", "subprocess", "unittest"),
    *("hypothesis", "xml", "sqlite3"),
)
_RUN = """
    import json, os, socket, sys

    def no_network(*_, **__):
        raise AssertionError("a socket was opened")

    socket.socket = socket.create_connection = socket.getaddrinfo = no_network
    before = set(sys.modules)
    real = os._exit

    def exit(code):
        with open(os.environ["LOADED"], "w") as file:
            json.dump([code, sorted(sys.modules)], file)
        real(code)

    os._exit = exit
    from signer.cli import main
    sys.argv[0] = "signer"
    main()
"""


def _loaded(folder: Path, *arguments: str, **environ: str) -> tuple[int, set[str]]:
    record = folder / "loaded"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_RUN), *arguments],
        cwd=folder,
        env={
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "HOME": str(folder),
            "LOADED": str(record),
            **environ,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert record.exists(), done.stderr
    code, modules = json.loads(record.read_text())
    assert code == done.returncode, done.stderr
    return code, set(modules)


def _forbidden(modules: set[str], *more: str) -> list[str]:
    return sorted(
        module
        for module in modules
        if any(module == name or module.startswith(f"{name}.") for name in (*_NEVER, *more))
    )


@pytest.mark.parametrize("provider", ["sha256", "hmac", "kms"])
def test_signing_and_verifying_load_only_what_they_need_and_open_no_socket(
    audit: Path, provider: str
) -> None:
    secret = {"POLICY_SIGNING_KEY": SECRET} if provider == "hmac" else {}
    # A digest and a MAC need no library for public keys to be made.
    more = {
        "sha256": ("signer.providers.kms", "signer.providers.hmac_key", "signer.kms"),
        "hmac": ("signer.providers.kms", "signer.providers.sha256_digest", "signer.kms"),
        "kms": ("signer.providers.hmac_key", "signer.providers.sha256_digest"),
    }[provider]
    if provider != "kms":
        more += ("cryptography",)
    code, modules = _loaded(audit.parent, "sign", "audit.jsonl", "--provider", provider, **secret)
    assert code == 0
    assert _forbidden(modules, *more) == []
    trust = {
        "sha256": ["--integrity-only"],
        "hmac": ["--hmac"],
        "kms": ["--key", "audit.jsonl.pub"],
    }[provider]
    code, modules = _loaded(audit.parent, "verify", "audit.jsonl", *trust, **secret)
    assert code == 0
    assert _forbidden(modules, "signer.kms") == []


def test_many_files_are_signed_without_multiprocessing(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(EVENTS)
    code, modules = _loaded(tmp_path, "sign", "*.jsonl", "--provider", "kms")
    assert code == 0
    assert not {"multiprocessing", "asyncio", "urllib.request"} & modules


def test_nothing_happens_at_import() -> None:
    code = "import signer.cli, signer.action, signer.process, signer.settings.load"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        cwd=Path(__file__).parents[2],
        env={"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
