"""The issuer's side of the gate: rotation, many files, an issuer that is down, and snapshots."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from signer.action import act
from signer.errors import GateError, ProviderError
from signer.gate import issuer as issuers
from signer.gate.identity import audience_for
from tests.integration.gate.support import POLICY, refused, repin, signed
from tests.issuer import Issuer
from tests.unit.support import EVENTS, RecordedLog, payload_of

ROOT = Path(__file__).parents[3]


def several(environ: dict[str, str], count: int) -> list[Path]:
    folder = Path(environ["GITHUB_WORKSPACE"], "many")
    folder.mkdir()
    files = [folder / f"{number}.jsonl" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(EVENTS + b'{"number":%d}\n' % number)
    environ["INPUT_AUDIT-FILE"] = str(folder / "*.jsonl")
    return files


def test_an_unknown_key_is_looked_for_once_more_and_no_oftener(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    honest = issuer.kid

    def forge(audience: str, issuer: Issuer) -> str:
        issuer.kid = "unknown"
        token = issuer.token(audience)
        issuer.kid = honest
        return token

    issuer.forge = forge
    refused(environ, "identity-bad")
    assert issuer.fetched == 2


def test_tokens_of_several_files_are_asked_for_side_by_side(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    files = several(environ, 6)
    together = threading.Barrier(len(files), timeout=30)

    def forge(audience: str, issuer: Issuer) -> str:
        together.wait()
        return issuer.token(audience)

    issuer.forge = forge
    assert act(environ, RecordedLog(), container=False) == 0
    assert issuer.fetched == 1
    for path in files:
        token = path.with_name(f"{path.name}.identity.jwt").read_bytes()
        predicate = payload_of(path.with_name(f"{path.name}.sigstore.json").read_bytes())
        stated = predicate["predicate"]["identity"]["tokenSha256"]
        assert stated == hashlib.sha256(token).hexdigest()


@pytest.mark.usefixtures("environ")
def test_a_rotation_is_noticed_once_for_all_files(issuer: Issuer) -> None:
    old = issuers.keys_of(issuer.url)
    issuer.rotate()
    assert issuers.keys_of(issuer.url) is old
    new = issuers.keys_of(issuer.url, instead_of=old)
    assert list(new.keys) == [issuer.kid]
    assert issuers.keys_of(issuer.url, instead_of=old) is new
    assert issuer.fetched == 2
    assert issuers.keys_of(issuer.url, instead_of=new) is not new


def test_one_refused_file_leaves_nothing_of_the_others(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    files = several(environ, 3)
    bad = audience_for(hashlib.sha256(files[1].read_bytes()).digest())

    def forge(audience: str, issuer: Issuer) -> str:
        return issuer.token(audience, **({"repository": "acme/x"} if audience == bad else {}))

    issuer.forge = forge
    with pytest.raises(GateError) as caught:
        act(environ, RecordedLog(), container=False)
    assert caught.value.code == "not-allowed"
    assert sorted(path.name for path in files[0].parent.iterdir()) == [path.name for path in files]


@pytest.fixture
def gone(tmp_path: Path) -> Issuer:
    """An issuer that is down; its tokens can still be made."""
    (tmp_path / "gone").mkdir()
    one = Issuer(tmp_path / "gone")
    one.close()
    return one


def test_an_issuer_that_is_down(issuer: Issuer, environ: dict[str, str], gone: Issuer) -> None:
    repin(environ, POLICY.format(issuer=gone.url))
    issuer.forge = lambda audience, _: gone.token(audience)
    refused(environ, "issuer-unreachable", ProviderError)


def test_a_token_service_that_is_down(environ: dict[str, str], gone: Issuer) -> None:
    refused({**environ, **gone.environ()}, "oidc-failed", ProviderError)


def test_the_summary_tells_what_is_proved(issuer: Issuer, environ: dict[str, str]) -> None:
    environ["GITHUB_STEP_SUMMARY"] = environ["INPUT_AUDIT-FILE"] + ".summary"
    log = RecordedLog()
    assert act(environ, log, container=False) == 0
    summary = Path(environ["GITHUB_STEP_SUMMARY"]).read_text()
    for shown in (
        "proved by the issuer", issuer.url, "main of payments", "<code>repository_id</code>",
        f"sha256:{environ['INPUT_SIGNING-POLICY-SHA256']}",
    ):  # fmt: skip
        assert shown in summary
    assert "not proved" not in summary
    assert any("allowed by the rule main of payments" in line for line in log.infos)


def _verify(environ: dict[str, str], *options: str) -> "subprocess.CompletedProcess[str]":
    audit = environ["INPUT_AUDIT-FILE"]
    command = ["verify", audit, "--key", f"{audit}.pub", *options]
    return _signer(environ, *command)


def _signer(environ: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "import sys; sys.argv[0] = 'signer'; from signer.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(ROOT), "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]},
        cwd=environ["GITHUB_WORKSPACE"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_snapshot_of_the_issuer_proves_the_identity_when_the_issuer_is_gone(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    signed(environ)
    taken = _signer(environ, "keys", "snapshot-issuer", issuer.url)
    assert (taken.returncode, taken.stderr) == (0, "")
    keys = Path(environ["GITHUB_WORKSPACE"], "issuer-keys.json")
    keys.write_text(taken.stdout)
    assert json.loads(taken.stdout)["issuer"] == issuer.url
    issuer.rotate()
    other = _signer(environ, "keys", "snapshot-issuer", issuer.url)
    issuer.close()
    policy = ["--signing-policy", environ["INPUT_SIGNING-POLICY"]]
    proved = _verify(environ, "--issuer-keys", str(keys), *policy)
    assert proved.returncode == 0, proved.stderr
    assert "(proved by the issuer's token)" in proved.stdout
    assert "main of payments of the signing policy sha256:" in proved.stdout
    claimed = _verify(environ)
    assert claimed.returncode == 0
    assert "(the word of whoever holds the key, not proved)" in claimed.stdout
    keys.write_text(other.stdout)
    assert "identity-not-proved" in _verify(environ, "--issuer-keys", str(keys)).stderr


def test_a_snapshot_that_cannot_be_taken_prints_nothing(
    environ: dict[str, str], gone: Issuer
) -> None:
    for url, code in ((gone.url, 3), ("http://127.0.0.1:1", 2)):
        taken = _signer(environ, "keys", "snapshot-issuer", url)
        assert (taken.returncode, taken.stdout) == (code, "")
        assert "fix: " in taken.stderr


@pytest.mark.parametrize("trusted", [True, False])
def test_the_summary_of_a_verification_calls_an_identity_proved_only_if_it_is(
    issuer: Issuer, environ: dict[str, str], trusted: bool
) -> None:
    signed(environ)
    audit = environ["INPUT_AUDIT-FILE"]
    keys = Path(environ["GITHUB_WORKSPACE"], "keys.json")
    keys.write_text(json.dumps({"issuer": issuer.url, "keys": [issuer.jwk()]}))
    job = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": environ["GITHUB_WORKSPACE"],
        "GITHUB_REPOSITORY": "acme/payments",
        "GITHUB_STEP_SUMMARY": f"{audit}.summary",
        "INPUT_MODE": "verify",
        "INPUT_AUDIT-FILE": audit,
        "INPUT_PUBLIC-KEY": f"{audit}.pub",
        "INPUT_ISSUER-KEYS": str(keys) if trusted else "",
    }
    log = RecordedLog()
    assert act(job, log, container=False) == 0
    told = "proved by the issuer's token" if trusted else "the word of whoever holds the key"
    assert any(told in line for line in log.infos)
    summary = Path(f"{audit}.summary").read_text()
    assert ("<b>proved by the issuer" in summary) is trusted
    rows = (row.split("<td>")[2:] for row in summary.split("<tr>"))
    cells = next(row for row in rows if "acme/payments" in "".join(row))
    assert ("the word of whoever holds the key, not proved" in cells[0]) is not trusted
    # No token says which rule and which policy it was.
    assert all("the word of whoever holds the key, not proved" in cell for cell in cells[2:])
    assert "<code>acme/payments</code>" in summary
    assert "<code>main of payments</code>" in summary


def test_pipes_in_the_place_of_small_files_are_not_waited_for(
    issuer: Issuer, environ: dict[str, str]
) -> None:
    pipe = Path(environ["GITHUB_WORKSPACE"], "pipe")
    os.mkfifo(pipe)
    issuer.claims["event_name"] = "pull_request"
    refused({**environ, "GITHUB_EVENT_PATH": str(pipe)}, "dangerous-run")
    issuer.claims["event_name"] = "push"
    signed(environ)
    assert "issuer-keys-unreadable" in _verify(environ, "--issuer-keys", str(pipe)).stderr
    keys = pipe.with_name("keys.json")
    keys.write_text(json.dumps({"issuer": issuer.url, "keys": [issuer.jwk()]}))
    evidence = Path(environ["INPUT_AUDIT-FILE"] + ".identity.jwt")
    evidence.unlink()
    os.mkfifo(evidence)
    assert "identity-not-proved" in _verify(environ, "--issuer-keys", str(keys)).stderr
