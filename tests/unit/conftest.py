"""Keys are made once a session; each test has a folder and an environment of its own."""

from pathlib import Path

import pytest

from tests.unit.support import EVENTS, Keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """An embedded KMS for the session."""
    return Keys(tmp_path_factory.mktemp("keys") / "kms")


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """An audit file with three events, alone in the test's folder."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(EVENTS)
    return path
