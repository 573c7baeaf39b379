"""``python -m tests.peers [NAME…]``: install the peers that this machine can have."""

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.peers import SYSTEM_TOOLS, aws_v2, engine, go_tools, npm_tools, python_tools
from tests.peers.cache import PeerError, note
from tests.peers.commands import apt_install
from tests.peers.go_tools import GO_TOOLS
from tests.peers.npm_tools import NPM_TOOLS
from tests.peers.python_tools import PYTHON_TOOLS

Step = Callable[[], str]


def main() -> int:
    """Install peers: all of them, as far as they can be had, or those named in the arguments.

    Debian packages and Docker are one lane, npm and Go builds another: two cores, two lanes.

    Returns:
        The exit code: 1 where a peer that was named is missing.
    """
    debian: dict[str, Step] = {
        **{name: partial(_system, name) for name in SYSTEM_TOOLS},
        "aws-v2": aws_v2.install,
        "docker": engine.start,
        "base": engine.base_image,
        "image": engine.build,
        "cli-image": engine.build_cli,
    }
    others: dict[str, Step] = {
        **{name: partial(python_tools.install, name) for name in PYTHON_TOOLS},
        **{name: partial(npm_tools.install, name) for name in NPM_TOOLS},
        **{name: partial(go_tools.install, name) for name in GO_TOOLS},
    }
    wanted = set(sys.argv[1:])
    lanes = [
        {name: step for name, step in lane.items() if not wanted or name in wanted}
        for lane in (debian, others)
    ]
    with ThreadPoolExecutor() as pool:
        missing = sum(pool.map(_walk, lanes))
    return 1 if wanted and missing else 0


def _walk(lane: dict[str, Step]) -> int:
    missing = 0
    for name, step in lane.items():
        try:
            done = step()
        except PeerError as error:
            note(name, str(error))
            print(f"peer {name}: MISSING: {error}", flush=True)
            missing += 1
        else:
            note(name, None)
            print(f"peer {name}: {done}", flush=True)
    return missing


def _system(name: str) -> str:
    if found := shutil.which(name):
        return found
    apt_install(name, [SYSTEM_TOOLS[name]])
    return "installed"


if __name__ == "__main__":
    sys.exit(main())
