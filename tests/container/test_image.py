"""What is in the action's image, and what is not."""

import re
import subprocess
from pathlib import Path

import pytest

from signer import __version__
from tests.container.runner import REPOSITORY
from tests.peers import engine

UNIT_TESTS = "policy-audit-signer:unit"


def _in_image(image: str, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            "docker",
            "run",
            "--rm",
            "--network=none",
            "--entrypoint",
            command[0],
            image,
            *command[1:],
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("program", ["sh", "env", "tail", "signer"])
def test_program_is_there(image: str, program: str) -> None:
    """Kubernetes runners start the container with ``tail`` and each command with ``sh`` and
    ``env`` (actions/runner-container-hooks, packages/k8s).
    """
    assert _in_image(image, "sh", "-c", f"command -v {program}").returncode == 0


@pytest.mark.parametrize("program", ["pip", "pip3", "cc", "gcc", "c++", "ld", "make", "go", "git"])
def test_nothing_that_builds_is_there(image: str, program: str) -> None:
    done = _in_image(image, "sh", "-c", f"command -v {program}")
    assert done.returncode != 0, done.stdout


@pytest.mark.parametrize("python", ["/opt/signer/bin/python3", "python3"])
@pytest.mark.parametrize("module", ["pip", "ensurepip", "setuptools", "pytest"])
def test_no_python_installs_software(image: str, python: str, module: str) -> None:
    assert "No module named" in _in_image(image, python, "-m", module).stderr


def test_only_the_lock_is_installed(image: str) -> None:
    script = "import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})"
    done = _in_image(image, "/opt/signer/bin/python3", "-I", "-c", script)
    lock = (REPOSITORY / "requirements" / "runtime.txt").read_text()
    locked = {line.split("==")[0] for line in lock.splitlines() if "==" in line}
    assert {name.replace("_", "-") for name in done.stdout.split()} == locked


def test_all_is_byte_compiled(image: str) -> None:
    script = (
        "import pathlib, sysconfig; "
        "files = pathlib.Path(sysconfig.get_path('purelib')).rglob('*.py'); "
        "print(*(f for f in files if not list(f.parent.glob(f'__pycache__/{f.stem}.*.pyc'))))"
    )
    done = _in_image(image, "/opt/signer/bin/python3", "-I", "-c", script)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_nothing_is_compiled_at_start(image: str) -> None:
    """Neither the signer nor Python's own library, which the official base has no byte code of."""
    entrypoint = ["-I", "-v", "/opt/signer/entrypoint.py"]
    done = _in_image(image, "/opt/signer/bin/python3", *entrypoint)
    loaded = re.findall(r"code object from '?(.*?)'?$", done.stderr, flags=re.MULTILINE)
    assert len(loaded) > 100
    assert [path for path in loaded if not path.endswith(".pyc")] == []


def test_the_command_line_says_its_version(image: str) -> None:
    assert __version__ in _in_image(image, "signer", "--version").stdout


def test_labels(image: str) -> None:
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"org.opencontainers.image.title":"policy-audit-signer"' in done.stdout


@pytest.mark.timeout(900)
def test_unit_tests_pass_in_the_image(image: str) -> None:
    """On the image's own Python 3.13, with its own packages and its own ``signer``."""
    dockerfile = Path(__file__).parent / "Dockerfile"
    engine.build_image("unit-image", UNIT_TESTS, dockerfile, REPOSITORY / "requirements")
    where = _in_image(UNIT_TESTS, "/opt/signer/bin/python3", "-c", "import signer; print(signer)")
    assert "/opt/signer/lib/" in where.stdout, where.stderr
    mount = f"--volume={REPOSITORY}:/src:ro"
    command = ["docker", "run", "--rm", "--network=none", mount, UNIT_TESTS, "-q", "tests/unit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 0, done.stdout[-20_000:]
    print(done.stdout[-500:])
