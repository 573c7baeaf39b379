"""A job of a GitHub runner, as far as a Docker action can tell.

Source: actions/runner, ContainerActionHandler.cs and DockerCommandManager.cs: the flags of
``docker run``, the mounts, the environment and how paths in it are rewritten.
"""

import os
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Any

import yaml

from tests.peers.engine import IMAGE
from tests.unit import runner
from tests.unit.runner import Command

REPOSITORY = Path(__file__).parents[2]
RUNTIME_TOKEN = "runtime-token-of-this-job"


@dataclass(frozen=True)
class Step:
    """What a step of a job left behind.

    Attributes:
        code: the exit code of the container.
        log: standard output and standard error.
        outputs: the step's outputs, as the runner reads them.
        summary: the step's summary.
        seconds: from ``docker run`` to its end.
    """

    code: int
    log: str
    outputs: dict[str, str]
    summary: str
    seconds: float

    @property
    def commands(self) -> list[Command]:
        """The workflow commands that the runner finds in the log."""
        return runner.commands(self.log)

    def annotations(self, kind: str) -> list[Command]:
        """The annotations of a kind: ``error``, ``warning`` or ``notice``."""
        return [command for command in self.commands if command.name == kind]


@dataclass
class Job:
    """A job's folders on the host.

    Attributes:
        root: where all of them are.
        mode: how the workspace is mounted: ``rw``, or ``ro`` for read-only.
        steps: those that were started.
    """

    root: Path
    mode: str = "rw"
    steps: list["RunningStep"] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folders."""
        for path in (self.workspace, self.home, self.workflow, self.commands):
            path.mkdir(parents=True)
        (self.workflow / "event.json").write_text("{}")

    @property
    def workspace(self) -> Path:
        """The checked-out repository."""
        return self.root / "_work" / "policies" / "policies"

    @property
    def temp(self) -> Path:
        """``RUNNER_TEMP``."""
        return self.root / "_work" / "_temp"

    @property
    def home(self) -> Path:
        """``HOME`` of Docker actions."""
        return self.temp / "_github_home"

    @property
    def workflow(self) -> Path:
        """Where the event is."""
        return self.temp / "_github_workflow"

    @property
    def commands(self) -> Path:
        """Where outputs, summary and the like are written."""
        return self.temp / "_runner_file_commands"

    def run(
        self,
        inputs: Mapping[str, str],
        *,
        env: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        image: str = IMAGE,
    ) -> Step:
        """Run the action as a step, to its end.

        Args:
            inputs: the step's ``with:``.
            env: the step's ``env:``.
            flags: of ``docker run``, beside those of the runner.
            image: the action's image.
        """
        return self.start(inputs, env=env, flags=flags, image=image).wait()

    def start(
        self,
        inputs: Mapping[str, str],
        *,
        env: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        image: str = IMAGE,
    ) -> "RunningStep":
        """Begin a step; the arguments are those of :meth:`run`."""
        step = uuid.uuid4().hex
        for prefix in ("set_output_", "save_state_", "step_summary_", "set_env_", "add_path_"):
            (self.commands / f"{prefix}{step}").touch()
        variables = {
            name: self._in_container(value)
            for name, value in {**self._environment(step), **(env or {}), **_inputs(inputs)}.items()
        }
        container = f"{image.replace(':', '')}_{step[:6]}"
        command = ["docker", "run", "--name", container]
        command += ["--label", "5588f5", "--workdir", "/github/workspace", "--rm"]
        for name in variables:
            command += ["-e", name]
        command += ["-e", "GITHUB_ACTIONS=true", "-e", "CI=true"]
        command += ["-v", "/var/run/docker.sock:/var/run/docker.sock"]
        for source, target in self._mounts.items():
            mode = ":ro" if self.mode == "ro" and source == self.workspace else ""
            command += ["-v", f"{source}:{target}{mode}"]
        client = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        process = subprocess.Popen(
            [*command, *flags, image],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**client, **variables},
        )
        self.steps.append(RunningStep(container, process, self.commands, step))
        return self.steps[-1]

    def end(self) -> None:
        """End what a test that failed half-way left running."""
        for step in self.steps:
            if step.process.poll() is None:
                subprocess.run(["docker", "rm", "--force", step.name], capture_output=True)
            step.process.kill()
            step.process.communicate()

    @property
    def _mounts(self) -> dict[Path, str]:
        return {
            self.temp: "/github/runner_temp",
            self.home: "/github/home",
            self.workflow: "/github/workflow",
            self.commands: "/github/file_commands",
            self.workspace: "/github/workspace",
        }

    def _in_container(self, value: str) -> str:
        for source in sorted(self._mounts, key=lambda path: len(str(path)), reverse=True):
            if value == str(source) or value.startswith(f"{source}/"):
                return self._mounts[source] + value[len(str(source)) :]
        return value

    def _environment(self, step: str) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "GITHUB_JOB": "sign",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
            "GITHUB_REPOSITORY": "example/policies",
            "GITHUB_REPOSITORY_ID": "123456789",
            "GITHUB_REPOSITORY_OWNER": "example",
            "GITHUB_REPOSITORY_OWNER_ID": "9876543",
            "GITHUB_RUN_ID": "7000000001",
            "GITHUB_RUN_NUMBER": "42",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_ACTOR": "octocat",
            "GITHUB_ACTOR_ID": "583231",
            "GITHUB_WORKFLOW": "policies",
            "GITHUB_WORKFLOW_REF": "example/policies/.github/workflows/p.yml@refs/heads/main",
            "GITHUB_WORKFLOW_SHA": "0123456789abcdef0123456789abcdef01234567",
            "GITHUB_EVENT_NAME": "push",
            "GITHUB_EVENT_PATH": str(self.workflow / "event.json"),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_REF_NAME": "main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_REF_PROTECTED": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION": "__self",
            "GITHUB_ACTION_REPOSITORY": "",
            "GITHUB_ACTION_REF": "",
            "GITHUB_OUTPUT": str(self.commands / f"set_output_{step}"),
            "GITHUB_STATE": str(self.commands / f"save_state_{step}"),
            "GITHUB_STEP_SUMMARY": str(self.commands / f"step_summary_{step}"),
            "GITHUB_ENV": str(self.commands / f"set_env_{step}"),
            "GITHUB_PATH": str(self.commands / f"add_path_{step}"),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            "RUNNER_NAME": "runner-1",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_WORKSPACE": str(self.workspace.parent),
            "RUNNER_TOOL_CACHE": str(self.root / "hostedtoolcache"),
            "ACTIONS_RUNTIME_URL": "https://pipelines.invalid/",
            "ACTIONS_RUNTIME_TOKEN": RUNTIME_TOKEN,
            "ACTIONS_CACHE_URL": "https://cache.invalid/",
        }


@dataclass
class RunningStep:
    """A step whose container runs.

    Attributes:
        name: the container's name.
        process: the Docker client.
        commands: where its command files are.
        step: the end of their names.
        begun: when it began, on the monotonic clock.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    commands: Path
    step: str
    begun: float = field(default_factory=time.monotonic)

    def read_until(self, text: str) -> str:
        """The log up to the line that holds ``text``."""
        assert self.process.stdout is not None
        seen = ""
        for line in self.process.stdout:
            seen += line.decode(errors="replace")
            if text in seen:
                return seen
        raise AssertionError(f"{text!r} is not in the log:\n{seen}")

    def signal(self, number: Signals) -> None:
        """Send a signal as the runner does: to the client, which hands it on."""
        self.process.send_signal(number)

    def wait(self, *, seen: str = "") -> Step:
        """Wait for its end and read what it left behind."""
        rest, _ = self.process.communicate(timeout=60)
        seconds = time.monotonic() - self.begun
        outputs = (self.commands / f"set_output_{self.step}").read_text(encoding="utf-8")
        summary = (self.commands / f"step_summary_{self.step}").read_text(encoding="utf-8")
        for kind in ("save_state_", "set_env_", "add_path_"):
            assert (self.commands / f"{kind}{self.step}").read_bytes() == b""
        log = seen + rest.decode(errors="replace")
        return Step(self.process.returncode, log, runner.outputs(outputs), summary, seconds)


def _inputs(given: Mapping[str, str]) -> dict[str, str]:
    """Every input that ``action.yml`` declares is there, the unset ones empty."""
    declared: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text())["inputs"]
    values = {name: str((about or {}).get("default", "")) for name, about in declared.items()}
    return {
        f"INPUT_{name.replace(' ', '_').upper()}": value
        for name, value in {**values, **given}.items()
    }
