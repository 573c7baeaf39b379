"""The directory of the embedded KMS: who may read it, and what a crash or a race leaves."""

import json
import os
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signer.errors import ProviderError
from signer.kms.service import EmbeddedKms

FIRST_USE = """
import sys
from pathlib import Path
from signer.providers.kms import open_key
sys.stdin.read(1)
provider = open_key("alias/policy-audit", Path(sys.argv[1]))
provider.verify(provider.sign(bytes(32)), bytes(32))
print(provider.key_id, provider.created)
"""

DIES_WHILE_WRITING = """
import os, sys
from pathlib import Path
from signer.kms.service import EmbeddedKms
count = int(sys.argv[2])
def dying(function):
    def call(*arguments, **options):
        global count
        count -= 1
        if count == 0:
            os._exit(9)
        return function(*arguments, **options)
    return call
os.replace, os.fsync = dying(os.replace), dying(os.fsync)
EmbeddedKms(Path(sys.argv[1])).ensure_alias("alias/policy-audit", "ECC_NIST_P256")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "kms"


@pytest.fixture
def kms(directory: Path) -> EmbeddedKms:
    kms = EmbeddedKms(directory)
    kms.ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    return kms


def _key_file(directory: Path) -> Path:
    (path,) = directory.glob("key-*.json")
    return path


def _refusal(kms: EmbeddedKms) -> ProviderError:
    with pytest.raises(ProviderError) as refusal:
        kms.get_public_key("alias/policy-audit")
    return refusal.value


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_get_at_the_keys(umask: int, directory: Path) -> None:
    before = os.umask(umask)
    try:
        EmbeddedKms(directory).ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    finally:
        os.umask(before)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = list(directory.iterdir())
    assert sorted(path.name.partition("-")[0] for path in files) == ["aliases.json", "key", "lock"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_what_root_writes_belongs_to_whom_the_folder_belongs_to(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.append((user, group)))
    EmbeddedKms(directory / "deep").ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    owner = directory.parent.stat()
    # two directories, the lock, the key and the aliases
    assert given == [(owner.st_uid, owner.st_gid)] * 5


@pytest.mark.parametrize("mode", [0o701, 0o704, 0o710, 0o750, 0o755, 0o777])
def test_a_directory_that_others_can_get_at_is_refused(
    mode: int, kms: EmbeddedKms, directory: Path
) -> None:
    directory.chmod(mode)
    calls: list[Callable[[], object]] = [
        lambda: kms.describe_key("alias/policy-audit"),
        lambda: kms.create_key("ECC_NIST_P256"),
        lambda: kms.list_keys(),
        lambda: kms.ensure_alias("alias/new", "ECC_NIST_P256"),
    ]
    for call in calls:
        with pytest.raises(ProviderError) as refusal:
            call()
        assert refusal.value.code == "kms-store-exposed"
        assert f"{mode:04o}" in refusal.value.message
        assert f"chmod 700 {directory}" in refusal.value.fix
    directory.chmod(0o700)
    assert len(kms.list_keys()) == 1


@pytest.mark.parametrize("name", ["key", "aliases"])
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o620])
def test_a_file_that_others_can_get_at_is_refused(
    mode: int, name: str, kms: EmbeddedKms, directory: Path
) -> None:
    path = _key_file(directory) if name == "key" else directory / "aliases.json"
    path.chmod(mode)
    error = _refusal(kms)
    assert error.code == "kms-store-exposed"
    assert f"chmod 600 {path}" in error.fix


def _symlink(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir(0o700)


def _change(field: str, value: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        document = json.loads(path.read_bytes())
        document[field] = value
        path.write_text(json.dumps(document))

    return change


def _ed448_key() -> bytes:
    key = ed448.Ed448PrivateKey.generate()
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


CORRUPT: dict[str, Callable[[Path], object]] = {
    "a symbolic link": _symlink,
    "a pipe": _replace_by_pipe,
    "a directory": _replace_by_directory,
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "no JSON": lambda path: path.write_bytes(b"\xff\x00"),
    "nested deeply": lambda path: path.write_bytes(b"[" * 100_000),
    "a list": lambda path: path.write_bytes(b"[]"),
    "too large": lambda path: path.write_bytes(b'{"a":"' + b"a" * 5_000_000 + b'"}'),
    "without fields": lambda path: path.write_bytes(b"{}"),
    "another format": _change("format", 2),
    "another spec": _change("spec", "ECC_NIST_P384"),
    "an unknown spec": _change("spec", "DES"),
    "a spec of another type": _change("spec", ["ECC_NIST_P256"]),
    "a state of another type": _change("enabled", "yes"),
    "no versions": _change("versions", []),
    "versions of another type": _change("versions", "abc"),
    "material that is no key": _change("versions", [{"created": "", "material": "AAAA"}]),
    "material of another kind of key": _change(
        "versions", [{"created": "", "material": b64encode(_ed448_key()).decode()}]
    ),
    "material that is no base64": _change("versions", [{"created": "", "material": "A"}]),
    "material of another type": _change("versions", [{"created": "", "material": 1}]),
}


@pytest.mark.parametrize("case", CORRUPT)
def test_a_corrupt_key_file_is_an_internal_error(
    case: str, kms: EmbeddedKms, directory: Path
) -> None:
    CORRUPT[case](_key_file(directory))
    error = _refusal(kms)
    assert error.code == "kms-store-corrupt"
    assert "KMSInternalException" in error.message
    assert "BEGIN" not in error.message


@pytest.mark.parametrize(
    "content", [b'{"alias/policy-audit": 1}', b'{"alias/policy-audit": "../x"}', b"x"]
)
def test_a_corrupt_alias_file_is_an_internal_error(
    content: bytes, kms: EmbeddedKms, directory: Path
) -> None:
    (directory / "aliases.json").write_bytes(content)
    assert _refusal(kms).code == "kms-store-corrupt"
    with pytest.raises(ProviderError):
        kms.ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    assert len(list(directory.glob("key-*"))) == 1


def test_an_alias_whose_key_is_gone_is_not_made_anew(kms: EmbeddedKms, directory: Path) -> None:
    _key_file(directory).unlink()
    assert not kms.ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    assert _refusal(kms).code == "kms-key-not-found"


@pytest.mark.parametrize("place", ["a file", "within a file"])
def test_a_directory_that_can_t_be_made_is_told(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    directory = tmp_path / "file" if place == "a file" else tmp_path / "file" / "kms"
    with pytest.raises(ProviderError) as refusal:
        EmbeddedKms(directory).ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    assert refusal.value.code == "kms-store-unusable"
    assert "Not a directory" in refusal.value.message


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_write_that_fails_changes_nothing(
    function: str, kms: EmbeddedKms, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in directory.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, full)
        with pytest.raises(ProviderError, match="No space left on device") as refusal:
            kms.rotate_key("alias/policy-audit")
    assert refusal.value.code == "kms-store-unusable"
    after = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "new"}
    assert after == before
    assert kms.rotate_key("alias/policy-audit").key_id.endswith("/2")
    assert not (directory / "new").exists()


@pytest.mark.parametrize("count", range(1, 7))
def test_a_writer_that_dies_leaves_nothing_half_written(count: int, directory: Path) -> None:
    """The six calls are: for the key and for the aliases, sync, replace, sync the directory."""
    command = [sys.executable, "-c", DIES_WHILE_WRITING, str(directory), str(count)]
    assert subprocess.run(command, check=False).returncode == 9
    kms = EmbeddedKms(directory)
    assert kms.ensure_alias("alias/policy-audit", "ECC_NIST_P256") is (count < 6)
    kms.get_public_key("alias/policy-audit")
    assert sum(len(metadata.aliases) for metadata in kms.list_keys()) == 1


def test_a_first_use_by_many_at_once_makes_one_key(directory: Path) -> None:
    command = [sys.executable, "-c", FIRST_USE, str(directory)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(6)
    ]
    for process in processes:  # all have started; let them go at once
        assert process.stdin
        process.stdin.write(b".")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    assert len({key_id for key_id, _ in answers}) == 1
    assert sorted(created for _, created in answers) == [b"False"] * 5 + [b"True"]
    assert len(EmbeddedKms(directory).list_keys()) == 1


def test_rotations_at_once_are_all_kept(kms: EmbeddedKms, directory: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from signer.kms.service import EmbeddedKms\n"
        "for _ in range(5): EmbeddedKms(Path(sys.argv[1])).rotate_key('alias/policy-audit')"
    )
    command = [sys.executable, "-c", code, str(directory)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(kms.describe_key("alias/policy-audit").created) == 16


def test_signing_needs_no_right_to_write(kms: EmbeddedKms, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def read_only(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, "Read-only file system")
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    assert not kms.ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    assert kms.get_public_key("alias/policy-audit")
    with pytest.raises(ProviderError, match="Read-only file system"):
        kms.disable_key("alias/policy-audit")


def test_the_file_says_that_it_is_a_simulation(kms: EmbeddedKms, directory: Path) -> None:
    assert b"simulation: unencrypted private key" in _key_file(directory).read_bytes()
