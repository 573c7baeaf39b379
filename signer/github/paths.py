"""Paths that the next step of a job can open."""

import os
from collections.abc import Mapping
from pathlib import Path

from signer.errors import OutputError

_IN_CONTAINER = "/github/runner_temp"


class JobPaths:
    """The folders of a job that outlive this step, seen from inside or outside a container.

    The runner mounts the workspace and ``RUNNER_TEMP`` into a Docker action's container and
    does not translate paths on the way back: one in the workspace is told relative to it, one
    under ``RUNNER_TEMP`` as the host's path, which lies beside the workspace's folder
    (actions/runner, TempDirectoryManager.cs and PipelineDirectoryManager: ``_work/_temp``).
    """

    def __init__(self, environ: Mapping[str, str], *, container: bool) -> None:
        self.workspace = Path(os.path.realpath(environ.get("GITHUB_WORKSPACE") or "."))
        self._container = container
        temp = environ.get("RUNNER_TEMP")
        self._temp = Path(os.path.realpath(temp)) if temp else None
        self._host_temp = self._temp
        if container and self._temp is not None:
            host = environ.get("RUNNER_WORKSPACE")
            if str(self._temp) == _IN_CONTAINER and host:
                self._host_temp = Path(host).parent / "_temp"
            elif not os.path.ismount(self._temp):
                self._temp = None

    def shown(self, path: Path) -> str:
        """The path as the job's next step can open it from the workspace."""
        real = self._real(path)
        if real.is_relative_to(self.workspace):
            return real.relative_to(self.workspace).as_posix()
        if self._temp is not None and real.is_relative_to(self._temp):
            return str(self._host_temp / real.relative_to(self._temp) if self._host_temp else real)
        return str(real)

    def check_output(self, path: Path) -> None:
        """Refuse a result that would be gone with the container.

        Raises:
            OutputError: ``output-outside-job``.
        """
        folder = self._real(path).parent
        kept = [self.workspace] if self._temp is None else [self.workspace, self._temp]
        if self._container and not any(folder.is_relative_to(place) for place in kept):
            raise OutputError(
                "output-outside-job",
                f"{path} lies outside the workspace and RUNNER_TEMP, so that it would be gone with "
                "this container",
                fix="set output-directory to a folder in the workspace or under RUNNER_TEMP.",
            )

    @staticmethod
    def _real(path: Path) -> Path:
        return Path(os.path.realpath(path.parent)) / path.name
