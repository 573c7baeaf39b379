"""However a job ends, no ``aws`` and no file for it is left: they have credentials in them."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.hanging import hanging
from tests.integration.aws.cloud import SIGNER, Cloud


def _environ(cloud: Cloud, program: Path, temporary: Path) -> dict[str, str]:
    return {**cloud.environ, "AWS_CLI": str(program), "TMPDIR": str(temporary)}


def test_a_caller_that_is_not_told_in_time(cloud: Cloud, audit: Path, tmp_path: Path) -> None:
    aws = hanging(tmp_path, cloud.aws_cli, "get-caller-identity")
    environ = _environ(cloud, aws.program, aws.temporary)
    options = ["--provider", "aws_kms", "--aws-kms-key", cloud.key()]
    done = cloud.sign(audit, *options, environ=environ)
    assert done.code == 0, done.err
    assert aws.left() == []


def test_a_file_that_fails_while_another_waits(cloud: Cloud, audit: Path, tmp_path: Path) -> None:
    aws = hanging(tmp_path, cloud.aws_cli, "get-caller-identity")
    environ = _environ(cloud, aws.program, aws.temporary)
    key = cloud.key()
    cloud.fail("kms:Sign", "AccessDeniedException", "no")
    done = cloud.sign(audit, "--provider", "aws_kms", "--aws-kms-key", key, environ=environ)
    assert (done.code, done.error) == (3, "aws-access-denied"), done.err
    assert aws.left() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("count", [1, 2])
def test_a_signal(
    cloud: Cloud, audit: Path, tmp_path: Path, number: signal.Signals, count: int
) -> None:
    aws = hanging(tmp_path, cloud.aws_cli, "sign")
    files = [audit, audit.with_name("second.jsonl")][:count]
    for path in files:
        path.write_bytes(audit.read_bytes())
    options = ["--provider", "aws_kms", "--aws-kms-key", cloud.key()]
    with subprocess.Popen(
        [*SIGNER, "sign", *map(str, files), *options],
        env=_environ(cloud, aws.program, aws.temporary),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        aws.wait_for(count, process)
        assert list(aws.temporary.iterdir())  # the messages
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}" in said
    assert "Traceback" not in said
    assert aws.left() == []
