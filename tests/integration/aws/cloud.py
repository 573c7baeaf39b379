"""The corrected AWS as a test sees it: keys by their spec, calls that were made, faults to come."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3

REGION = "eu-central-1"
ACCOUNT = "123456789012"
ROOT = Path(__file__).parents[3]
SIGNER = [sys.executable, "-c", "from signer.cli import main; main()"]


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it printed and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Standard output, as ``--json`` prints it."""
        fields: dict[str, Any] = json.loads(self.out)
        return fields

    @property
    def error(self) -> str:
        """The code of the first error."""
        for line in self.err.splitlines():
            if line.startswith("error["):
                return line.removeprefix("error[").split("]")[0]
        return ""


@dataclass
class Cloud:
    """One running server.

    Attributes:
        url: its address.
        aws_cli: the ``aws`` command line.
    """

    url: str
    aws_cli: Path
    _keys: dict[str, str] = field(default_factory=dict)

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of boto3."""
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id="AKIAADMINISTRATOR",
            aws_secret_access_key="x",
        )

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a job that has credentials in it."""
        return {
            **self.bare_environ,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "the-secret-part-of-the-credential",
        }

    @property
    def bare_environ(self) -> dict[str, str]:
        """The same without credentials."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CLI": str(self.aws_cli),
        }

    def key(self, spec: str = "ECC_NIST_P256") -> str:
        """The ARN of a key of a spec, made when it is first asked for; its alias is the spec."""
        if spec not in self._keys:
            self._keys[spec] = self.new_key(spec)
            self.client("kms").create_alias(
                AliasName=f"alias/{spec}", TargetKeyId=self._keys[spec].rpartition("/")[2]
            )
            if spec.startswith("RSA_"):  # its making takes seconds, and is nobody's answer time
                self.client("kms").get_public_key(KeyId=self._keys[spec])
        return self._keys[spec]

    def new_key(self, spec: str = "ECC_NIST_P256", region: str = REGION, **options: Any) -> str:
        """The ARN of a new key."""
        usage = "GENERATE_VERIFY_MAC" if spec.startswith("HMAC_") else "SIGN_VERIFY"
        known = {"KeyUsage": usage, "KeySpec": spec, **options}
        made = self.client("kms", region).create_key(**known)
        return str(made["KeyMetadata"]["Arn"])

    def signer(self, *arguments: str, environ: dict[str, str] | None = None) -> Ended:
        """Run the command line."""
        return run([*SIGNER, *arguments], environ or self.environ)

    def sign(self, audit: Path, *arguments: str, environ: dict[str, str] | None = None) -> Ended:
        """Sign an audit file."""
        return self.signer("sign", str(audit), "--json", *arguments, environ=environ)

    def calls(self) -> list[dict[str, Any]]:
        """The calls since the last `forget`."""
        found: list[dict[str, Any]] = self._ask("/_calls")
        return found

    def forget(self) -> None:
        """Forget calls and faults."""
        self._ask("/_calls", "DELETE")

    def fail(self, operation: str, code: str, message: str = "", **more: Any) -> None:
        """Let the next calls of an operation fail (``times``: how many; ``status``).

        The code ``hangs`` gives no answer, ``closes`` closes the connection instead.
        """
        fault = {"operation": operation, "code": code, "message": message, "times": 1, **more}
        self._ask("/_faults", "POST", fault)

    def date(self, key: str, age: timedelta) -> datetime:
        """Make a key be of another age, and give its date."""
        created = datetime.now(UTC).replace(microsecond=0) - age
        self._ask("/_dates", "POST", {"key": key, "created": created.timestamp()})
        return created

    def _ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        with urlopen(Request(self.url + path, data, method=method), timeout=10) as answer:
            return json.loads(answer.read())


def run(command: list[str], environ: dict[str, str], cwd: Path | None = None) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """The address of a server that ends with the context; its log is in the folder.

    Raises:
        AssertionError: it did not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    command = [sys.executable, "-m", "tests.integration.aws.server", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
    try:
        _wait(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")
