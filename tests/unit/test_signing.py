"""Signing: what is written, and that nothing is where anything fails."""

import base64
import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signer.audit.formats import AuditFormat
from signer.audit.statement import MAX_STATEMENT_BYTES, Run
from signer.envelope import bundle
from signer.envelope.dsse import Envelope
from signer.errors import (
    AuditFileError,
    OutputError,
    ProviderError,
    SignerError,
    UsageError,
    VerificationError,
)
from signer.providers import Provider
from signer.settings.models import SignSettings
from signer.sign.signing import SignedAudit, sign_audit_files
from tests.unit.support import (
    EVENTS,
    BrokenProvider,
    Keys,
    hmac_provider,
    payload_of,
    sha256_provider,
    sign_one,
)


def _sign(files: list[Path], provider: Provider, **settings: Any) -> list[SignedAudit]:
    return sign_audit_files(
        files,
        SignSettings(audit_file=tuple(map(str, files)), **settings),
        provider,
        run=None,
        workspace=files[0].parent,
    )


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _several(folder: Path, count: int = 5) -> list[Path]:
    files = [folder / f"audit-{number}.jsonl" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(EVENTS + b'{"n":%d}\n' % number)
    return files


def test_the_statement_says_what_the_contract_says(keys: Keys, audit: Path) -> None:
    provider = keys.open()
    before = datetime.now(UTC).replace(microsecond=0)
    signed = sign_one(audit, provider, run=Run(repository="acme/pay", run_id="1"))
    text = signed.targets.signed_audit.read_bytes()
    statement = payload_of(text)
    predicate = statement["predicate"]
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:policy-audit:attestation:v1"
    [subject] = statement["subject"]
    assert subject == {"name": "audit.jsonl", "digest": {"sha256": signed.audit.sha256.hex()}}
    assert predicate["auditFile"] == {
        "format": "jsonl",
        "size": len(EVENTS),
        "eventCount": 3,
        "merkleRoot": signed.audit.merkle_root.hex(),
    }
    signing = predicate["signing"]
    made = datetime.fromisoformat(signing.pop("time"))
    assert before <= made <= datetime.now(UTC)
    assert provider.public_key is not None
    assert signing == {
        "provider": "kms",
        "assurance": "software-key",
        "algorithm": "ECDSA_SHA_256",
        "keyId": provider.key_id,
        "keyFingerprint": provider.public_key.fingerprint,
        "simulation": True,
    }
    assert predicate["run"] == {"repository": "acme/pay", "runId": "1"}
    assert predicate["identity"] == {"source": "environment", "verified": False}
    parsed = bundle.decode(text)
    assert parsed.hint == provider.public_key.hint
    assert isinstance(parsed.content, Envelope)
    assert parsed.content.keyid == provider.public_key.fingerprint
    assert base64.b64decode(signed.signature_base64) == parsed.content.signature
    assert (audit.parent / "audit.jsonl.pub").read_bytes() == provider.public_key.pem


def test_outside_a_run_none_is_claimed(keys: Keys, audit: Path) -> None:
    statement = payload_of(sign_one(audit, keys.open()).targets.signed_audit.read_bytes())
    assert not {"run", "identity"} & statement["predicate"].keys()


def test_ids_differ(keys: Keys, audit: Path) -> None:
    ids = {
        payload_of(sign_one(audit, keys.open(), overwrite=True).targets.signed_audit.read_bytes())[
            "predicate"
        ]["id"]
        for _ in range(3)
    }
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("provider", "plain", "names"),
    [
        (sha256_provider(), False, set()),
        (hmac_provider(), False, set()),
        (hmac_provider(), True, {"audit.jsonl.sig"}),
    ],
)
def test_what_has_no_public_key_writes_none(
    audit: Path, provider: Provider, plain: bool, names: set[str]
) -> None:
    sign_one(audit, provider, plain_signature=plain)
    assert _names(audit.parent) == {"audit.jsonl", "audit.jsonl.sigstore.json"} | names


def test_nothing_reveals_the_shared_secret(audit: Path) -> None:
    text = sign_one(audit, hmac_provider()).targets.signed_audit.read_text()
    assert json.loads(text)["verificationMaterial"]["publicKey"]["hint"]
    assert "secret" not in text + json.dumps(payload_of(text.encode())).replace("shared-secret", "")


def test_the_clock_decides_and_not_source_date_epoch(
    keys: Keys, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    statement = payload_of(sign_one(audit, keys.open()).targets.signed_audit.read_bytes())
    assert not statement["predicate"]["signing"]["time"].startswith("1970")


# Nothing is written where anything fails.


@pytest.mark.parametrize(
    "broken",
    [
        lambda inner: BrokenProvider(inner, garble=True),
        lambda inner: BrokenProvider(inner, fail_on=1, error=ProviderError("x", "y", fix="z")),
        lambda inner: BrokenProvider(inner, fail_on=2, error=ProviderError("x", "y", fix="z")),
        lambda inner: BrokenProvider(inner, fail_on=9, error=ProviderError("x", "y", fix="z")),
        lambda inner: BrokenProvider(inner, fail_on=4, error=RuntimeError("unforeseen")),
    ],
)
def test_a_provider_that_fails_leaves_nothing(
    keys: Keys, tmp_path: Path, broken: Callable[[Provider], BrokenProvider]
) -> None:
    files = _several(tmp_path)
    before = _names(tmp_path)
    with pytest.raises(RuntimeError):
        _sign(files, broken(keys.open()), plain_signature=True)
    assert _names(tmp_path) == before


def test_a_signature_that_does_not_verify_is_an_error_of_the_provider(
    keys: Keys, audit: Path
) -> None:
    with pytest.raises(ProviderError) as caught:
        sign_one(audit, BrokenProvider(keys.open(), garble=True))
    assert caught.value.code == "signature-does-not-verify"
    assert caught.value.exit_code == 3
    assert isinstance(caught.value.__cause__, VerificationError)
    assert _names(audit.parent) == {"audit.jsonl"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a":1}\nx\n', b'{"a":"\xff"}\n', b"DSSEv1 1 a 1 b"]
)
@pytest.mark.parametrize("position", [0, 2])
def test_one_refused_file_of_several_leaves_nothing(
    keys: Keys, tmp_path: Path, content: bytes, position: int
) -> None:
    files = _several(tmp_path, 3)
    files[position].write_bytes(content)
    before = _names(tmp_path)
    with pytest.raises(AuditFileError) as caught:
        _sign(files, keys.open(), plain_signature=True)
    assert str(files[position]) in caught.value.message
    assert _names(tmp_path) == before


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("name", ["forged", "forged.jsonl"])
def test_a_forged_encoding_is_refused_with_and_without_plain_signatures(
    keys: Keys, tmp_path: Path, plain: bool, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"DSSEv1 28 application/vnd.in-toto+json 2 {}")
    with pytest.raises(AuditFileError) as caught:
        sign_one(path, keys.open(), plain_signature=plain)
    assert caught.value.code == "audit-file-is-dsse"
    assert _names(tmp_path) == {name}


@pytest.mark.parametrize(
    "meddle",
    [
        lambda path: path.write_bytes(EVENTS + b"{}\n"),
        lambda path: path.write_bytes(EVENTS[:-1]),
        lambda path: os.utime(path, ns=(1, 1)),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.write_bytes(EVENTS)),
    ],
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    keys: Keys, audit: Path, meddle: Callable[[Path], object]
) -> None:

    def progress(path: Path, _done: int, _size: int) -> None:
        meddle(path)

    with pytest.raises(AuditFileError) as caught:
        sign_audit_files(
            [audit],
            SignSettings(audit_file=(str(audit),)),
            keys.open(),
            run=None,
            workspace=audit.parent,
            progress=progress,
        )
    assert caught.value.code == "audit-file-changed"
    assert _names(audit.parent) <= {"audit.jsonl"}


@pytest.mark.parametrize("suffix", [".sigstore.json", ".pub", ".sig"])
def test_an_existing_result_stays_and_no_key_is_used(keys: Keys, audit: Path, suffix: str) -> None:
    existing = audit.with_name(audit.name + suffix)
    existing.write_bytes(b"old")
    provider = BrokenProvider(keys.open())
    with pytest.raises(OutputError) as caught:
        sign_one(audit, provider, plain_signature=True)
    assert caught.value.code == "output-exists"
    assert provider.calls == 0
    assert existing.read_bytes() == b"old"
    assert _names(audit.parent) == {"audit.jsonl", existing.name}


def test_overwriting_replaces_all_and_keeps_the_mode(keys: Keys, audit: Path) -> None:
    first = sign_one(audit, keys.open())
    first.targets.signed_audit.chmod(0o600)
    old = first.targets.signed_audit.read_bytes()
    sign_one(audit, keys.open(), overwrite=True)
    assert first.targets.signed_audit.read_bytes() != old
    assert first.targets.signed_audit.stat().st_mode & 0o777 == 0o600


def test_results_of_one_name_clash(keys: Keys, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.jsonl").write_bytes(EVENTS)
    files = [tmp_path / "a" / "x.jsonl", tmp_path / "b" / "x.jsonl"]
    with pytest.raises(UsageError) as caught:
        _sign(files, keys.open(), output_directory=tmp_path / "out")
    assert caught.value.code == "output-clash"
    assert not (tmp_path / "out").exists()
    assert len(_sign(files, keys.open())) == 2


def test_each_file_has_a_signed_audit_of_its_own_in_order(keys: Keys, tmp_path: Path) -> None:
    files = _several(tmp_path, 20)
    signed = _sign(files, keys.open(), output_directory=tmp_path / "out")
    assert [one.audit.path for one in signed] == files
    for one in signed:
        statement = payload_of(one.targets.signed_audit.read_bytes())
        assert statement["subject"][0]["name"] == one.audit.path.name
        assert statement["subject"][0]["digest"]["sha256"] == one.audit.sha256.hex()


def test_files_are_signed_side_by_side(keys: Keys, tmp_path: Path) -> None:
    class Slow(BrokenProvider):
        def sign(self, digest: bytes) -> bytes:
            time.sleep(0.2)
            return super().sign(digest)

    started = time.monotonic()
    _sign(_several(tmp_path, 10), Slow(keys.open()))
    assert time.monotonic() - started < 1.5


def test_a_failure_does_not_wait_for_the_other_requests(keys: Keys, tmp_path: Path) -> None:
    class Slow(BrokenProvider):
        def sign(self, digest: bytes) -> bytes:
            self.calls += 1
            if self.calls == 1:
                raise ProviderError("x", "y", fix="z")
            time.sleep(2)
            return b""

    started = time.monotonic()
    with pytest.raises(ProviderError):
        _sign(_several(tmp_path, 4), Slow(keys.open()))
    assert time.monotonic() - started < 1


# What goes into the statement.


@pytest.mark.parametrize(
    ("inside", "name"),
    [("reports/x y.jsonl", "reports/x y.jsonl"), ("é/決定.jsonl", "é/決定.jsonl")],
)
def test_the_subject_is_the_path_in_the_workspace(
    keys: Keys, tmp_path: Path, inside: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / inside
    path.parent.mkdir()
    (tmp_path / "x").mkdir()
    path.write_bytes(EVENTS)
    monkeypatch.chdir(tmp_path)
    for given in (path, Path(inside), tmp_path / "x" / ".." / inside):
        [signed] = sign_audit_files(
            [given],
            SignSettings(audit_file=(str(given),), output_directory=tmp_path, overwrite=True),
            keys.open(),
            run=None,
            workspace=tmp_path,
        )
        assert signed.subject == name


def test_outside_the_workspace_the_subject_is_the_files_name(keys: Keys, audit: Path) -> None:
    [signed] = sign_audit_files(
        [audit],
        SignSettings(audit_file=(str(audit),)),
        keys.open(),
        run=None,
        workspace=audit.parent / "elsewhere",
    )
    assert signed.subject == "audit.jsonl"


@pytest.mark.parametrize("length", [3000, 100_000])
def test_a_statement_that_is_too_large_names_its_longest_value(
    keys: Keys, audit: Path, length: int
) -> None:
    run = Run(ref="refs/heads/" + "x" * length, repository="acme/pay")
    with pytest.raises(UsageError) as caught:
        sign_one(audit, keys.open(), run=run)
    assert caught.value.code == "statement-too-large"
    assert "refs/heads/xxx" in caught.value.message
    assert str(MAX_STATEMENT_BYTES) in caught.value.message
    assert _names(audit.parent) == {"audit.jsonl"}


def test_the_largest_statement_fits_every_key(keys: Keys, audit: Path) -> None:
    """Ed25519 keys of a KMS sign 4,096 bytes at most, the DSSE encoding included."""
    provider = keys.open("ECC_NIST_EDWARDS25519", "ED25519_SHA_512")

    def size(run: Run) -> int:
        text = sign_one(audit, provider, run=run, overwrite=True).targets.signed_audit.read_bytes()
        return len(base64.b64decode(json.loads(text)["dsseEnvelope"]["payload"]))

    room = MAX_STATEMENT_BYTES - size(Run(ref="x"))
    assert size(Run(ref="x" * (1 + room))) == MAX_STATEMENT_BYTES
    with pytest.raises(UsageError) as caught:
        size(Run(ref="x" * (2 + room)))
    assert caught.value.code == "statement-too-large"


@pytest.mark.parametrize("value", ["\udcff", "caf\udce9"])
def test_what_is_not_utf8_is_refused_by_name(keys: Keys, audit: Path, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        sign_one(audit, keys.open(), run=Run(actor=value))
    assert caught.value.code == "statement-not-utf8"
    path = audit.with_name(value)
    path.write_bytes(EVENTS)
    with pytest.raises(UsageError):
        sign_one(path, keys.open())
    assert len(_names(audit.parent)) == 2


@pytest.mark.parametrize("size", [4096, 4097])
def test_an_ed25519_key_signs_no_long_file_as_it_is(keys: Keys, tmp_path: Path, size: int) -> None:
    path = tmp_path / "audit.bin"
    path.write_bytes(b"x" * size)
    provider = keys.open("ECC_NIST_EDWARDS25519", "ED25519_SHA_512")
    assert sign_one(path, provider, output_directory=tmp_path / "out")
    if size == 4096:
        assert sign_one(path, provider, plain_signature=True).targets.plain_signature
    else:
        with pytest.raises(UsageError) as caught:
            sign_one(path, provider, plain_signature=True)
        assert caught.value.code == "message-too-long"
        assert _names(tmp_path) == {"audit.bin", "out"}


def test_an_event_pointer_needs_json_files_all_of_them(keys: Keys, tmp_path: Path) -> None:
    document, lines = tmp_path / "a.json", tmp_path / "b.jsonl"
    document.write_bytes(b'{"results":[1,2]}')
    lines.write_bytes(EVENTS)
    with pytest.raises(UsageError) as caught:
        _sign([document, lines], keys.open(), event_pointer="/results")
    assert caught.value.code == "setting-conflict"
    assert str(lines) in caught.value.message
    [signed] = _sign([document], keys.open(), event_pointer="/results")
    assert signed.audit.event_count == 2
    statement = payload_of(signed.targets.signed_audit.read_bytes())
    assert statement["predicate"]["auditFile"]["eventPointer"] == "/results"


def test_a_format_that_is_said_wins_over_the_suffix(keys: Keys, audit: Path) -> None:
    assert sign_one(audit, keys.open(), audit_format=AuditFormat.BYTES).audit.event_count == 1


_KILLED = """
    import os, sys
    from pathlib import Path
    from signer.providers import kms
    from tests.unit.support import sign_one

    point, number, directory, audit = sys.argv[1:]
    provider = kms.open_key("alias/default", Path(directory))
    real, calls = getattr(os, point), 0

    def kill(*arguments, **options):
        global calls
        calls += 1
        if calls == int(number):
            os.kill(os.getpid(), 9)
        return real(*arguments, **options)

    setattr(os, point, kill)
    sign_one(Path(audit), provider, plain_signature=True)
"""


@pytest.mark.parametrize(("point", "number"), [("read", 1), ("fsync", 2), ("link", 1), ("link", 3)])
def test_killed_while_signing_no_half_file_is_there(
    keys: Keys, audit: Path, point: str, number: int
) -> None:
    keys.open()
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_KILLED), point, str(number), str(keys.directory),
         str(audit)],
        check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert child.returncode == -9
    assert not audit.with_name("audit.jsonl.sigstore.json").exists()
    leftovers = {name for name in _names(audit.parent) if not name.startswith(".")}
    assert leftovers <= {"audit.jsonl", "audit.jsonl.pub", "audit.jsonl.sig"}
    # What a killed job leaves does not keep the next one from signing.
    assert sign_one(audit, keys.open(), overwrite=True, plain_signature=True)


def test_the_family_of_errors() -> None:
    for kind in (AuditFileError, OutputError, ProviderError, UsageError, VerificationError):
        assert issubclass(kind, SignerError)
