"""The issuer's keys from a file: what the auditor is told of one that is no good."""

from pathlib import Path

import pytest

from signer.errors import UsageError
from signer.gate.issuer import MAX_BYTES, read_snapshot


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"{", "cannot be read: Expecting"),
        (b"[]", "whose keys they are"),
        (b'{"keys": []}', "whose keys they are"),
        (b'{"issuer": "https://a", "keys": []}', "no RSA key"),
        (b'{"issuer": "https://a"}', "no list of keys"),
        (b" " * MAX_BYTES + b"{}", f"more than {MAX_BYTES} bytes"),
        (b"[" * 100_000, "cannot be read"),
    ],
)
def test_keys_that_cannot_be_read(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_snapshot(path)
    assert caught.value.code == "issuer-keys-unreadable"
    assert f"the issuer's keys {path} cannot be read" in caught.value.message
    assert said in caught.value.message
