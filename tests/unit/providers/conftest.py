"""Keys are made once a session, because RSA's take seconds."""

from pathlib import Path

import pytest

from signer.crypto.algorithms import KEY_SPECS
from signer.kms.service import EmbeddedKms


@pytest.fixture(scope="session")
def kms_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedded KMS with a key of each spec, under ``alias/SPEC``."""
    directory = tmp_path_factory.mktemp("provider-suite") / "kms"
    kms = EmbeddedKms(directory)
    for key_spec in KEY_SPECS:
        kms.ensure_alias(f"alias/{key_spec}", key_spec)
    return directory
