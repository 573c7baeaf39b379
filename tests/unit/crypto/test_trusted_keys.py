"""The file of trusted keys: what it takes, and how every mistake in it is named."""

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from signer.crypto.trusted_keys import MAX_BYTES, TrustedKey, TrustedKeys, load
from signer.errors import UsageError, VerificationError
from tests.unit.support import Keys, pem_of, trusted_keys

ROOT = Path(__file__).parents[3]
_PRIVATE = ec.generate_private_key(ec.SECP256R1())
PEM = (
    _PRIVATE.public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)  # fmt: skip
SECRET_PEM = _PRIVATE.private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
).decode()  # fmt: skip
ONE = {"name": "one", "public_key": PEM}


def _pem(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _other() -> str:
    return _pem(ec.generate_private_key(ec.SECP256R1()).public_key())


def _compressed() -> str:
    """The key of ``PEM`` with a compressed point: other bytes, the same key."""
    point = _PRIVATE.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    head = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
    text = base64.b64encode(head + point).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"


def loaded(tmp_path: Path, content: str | bytes) -> TrustedKeys:
    path = tmp_path / "trusted.yml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load(path)


def problem(tmp_path: Path, content: str | bytes) -> str:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, content)
    assert caught.value.code == "trusted-keys-invalid"
    assert caught.value.exit_code == 2
    assert str(tmp_path / "trusted.yml") in caught.value.message
    assert "PRIVATE KEY-----" not in caught.value.message + caught.value.fix
    return caught.value.message


def test_everything_that_a_key_may_have(tmp_path: Path) -> None:
    indented = PEM.replace("\n", "\n      ").rstrip()
    text = f"""version: 1
keys:
  - name: payments 2025
    public_key: |
      {indented}
    algorithm: ES256
    assurance: managed-key
    not_before: 2025-01-01T00:00:00Z
    not_after: "2025-12-31T23:59:59Z"
    revoked: {{at: 2025-06-01T12:00:00Z, reason: "laptop lost"}}
"""
    [key] = loaded(tmp_path, text).keys
    assert (key.name, key.algorithm, key.assurance) == (
        "payments 2025", "ECDSA_SHA_256", "managed-key",
    )  # fmt: skip
    assert key.not_before == datetime(2025, 1, 1, tzinfo=UTC)
    assert key.window == "from 2025-01-01T00:00:00Z to 2025-12-31T23:59:59Z"
    assert key.revoked is not None
    assert key.revoked.at == datetime(2025, 6, 1, 12, tzinfo=UTC)


def test_a_key_alone_has_no_limits_and_its_own_algorithm(tmp_path: Path) -> None:
    [key] = loaded(tmp_path, trusted_keys(ONE)).keys
    assert isinstance(key, TrustedKey)
    assert (key.algorithm, key.window, key.assurance, key.revoked) == (
        "ECDSA_SHA_256", None, None, None,
    )  # fmt: skip
    rsa_pem = _pem(rsa.generate_private_key(65537, 2048).public_key())
    for algorithm, expected in (
        (None, "RSASSA_PKCS1_V1_5_SHA_256"),
        ("RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_256"),
        ("PS384", "RSASSA_PSS_SHA_384"),
    ):
        more = {"algorithm": algorithm} if algorithm else {}
        [key] = loaded(tmp_path, trusted_keys({"name": "r", "public_key": rsa_pem, **more})).keys
        assert key.algorithm == expected


YEAR = {"not_before": "2026-01-01T00:00:00Z", "not_after": "2025-01-01T00:00:00Z"}
AT = "2025-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"public_key": None}, "keys.2.public_key"),
        ({"public_key": ""}, "this is not a PEM public key"),
        ({"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"},
         "not the SubjectPublicKeyInfo"),
        ({"public_key": SECRET_PEM}, "this is a private key"),
        ({"public_key": PEM + PEM}, "more than one PEM block"),
        ({"public_key": PEM + "x"}, "something before or after it"),
        ({"public_key": "\ud800"}, "keys.2.public_key"),
        ({"public_key": _pem(rsa.generate_private_key(65537, 1024).public_key())}, "1024 bits"),
        ({"public_key": PEM.replace("M", "!", 1)}, "keys.2.public_key"),
        ({"algorithm": "ECDSA_SHA_384"}, "does not fit a key of the spec ECC_NIST_P256"),
        ({"algorithm": "ES256K"}, "does not fit a key of the spec ECC_NIST_P256"),
        ({"algorithm": "HMAC_SHA_256"}, "does not fit"),
        ({"algorithm": "rot13"}, "is not the name of a signing algorithm"),
        ({"assurance": "digest"}, "keys.2.assurance"),
        ({"assurance": "shared-secret"}, "keys.2.assurance"),
        ({"not_before": "2025-01-01"}, "must be a time in UTC"),
        ({"not_before": "2025-01-01T00:00:00"}, "must be a time in UTC"),
        ({"not_before": "2025-01-01T00:00:00+01:00"}, "must be a time in UTC"),
        ({"not_before": "2025-01-01T00:00:00.5Z"}, "must be a time in UTC"),
        ({"not_before": "2025-01-01T00:00:00Z\n"}, "must be a time in UTC"),
        ({"not_before": "\uff12025-01-01T00:00:00Z"}, "must be a time in UTC"),
        ({"not_before": None}, "keys.2.not_before"),
        ({"not_after": "2025-02-30T00:00:00Z"}, "keys.2.not_after"),
        (YEAR, "not_after lies before not_before"),
        ({"revoked": "2025-01-01T00:00:00Z"}, "keys.2.revoked"),
        ({"revoked": {"at": AT}}, "keys.2.revoked.reason"),
        ({"revoked": {"reason": "x"}}, "keys.2.revoked.at"),
        ({"revoked": {"at": AT, "reason": ""}}, "keys.2.revoked.reason"),
        ({"revoked": {"at": AT, "reason": "a\nb"}}, "cannot be seen"),
        ({"revoked": {"at": AT, "reason": "x", "by": "y"}}, "keys.2.revoked.by: there is no such"),
        ({"notbefore": AT}, "did you mean not_before?"),
        ({"key": "x"}, "there is no such field"),
    ],
)  # fmt: skip
def test_a_key_that_is_wrong_is_named_with_its_place(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    wrong = {"name": "the wrong one", "public_key": _other(), **change}
    message = problem(tmp_path, trusted_keys(ONE, wrong))
    assert said in message
    assert "keys.2" in message
    assert "(the key 'the wrong one')" in message


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "keys.1.name"), ("x" * 101, "keys.1.name"), ("a\u202eb", "cannot be seen"),
     (["a"], "keys.1.name")],
)  # fmt: skip
def test_a_name_that_is_wrong(tmp_path: Path, name: Any, said: str) -> None:
    assert said in problem(tmp_path, trusted_keys({**ONE, "name": name}))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "version"),
        ({"version": "2", "keys": [ONE]}, "version"),
        ({"version": 1}, "keys: field required"),
        ({"version": 1, "keys": []}, "keys"),
        ({"version": 1, "keys": {}}, "keys"),
        ({"version": 1, "keys": ["x"]}, "keys.1"),
        ({"version": 1, "keys": [ONE], "issuers": []}, "issuers"),
        ({"version": 1, "keys": [ONE], "issuer": "x"}, "did you mean issuers?"),
        ({"version": 1, "keys": [ONE, {**ONE, "name": "two"}]}, "'one' and 'two' are the same key"),
        ({"version": 1, "keys": [ONE, {"name": "two", "public_key": _compressed()}]},
         "are the same key"),
        ({"version": 1, "keys": [ONE, {**ONE, "public_key": _other()}]},
         "two keys are called 'one'"),
        ([], "the document"),
        (None, "the document"),
        ({"version": 1, "keys": [ONE], "issuers": [{"issuer": "http://a", "keys": [{}]}]},
         "issuers.1.issuer"),
        ({"version": 1, "keys": [ONE], "issuers": [{"issuer": "https://a", "keys": []}]},
         "issuers.1.keys"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong(tmp_path: Path, document: Any, said: str) -> None:
    assert said in problem(tmp_path, json.dumps(document))


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    message = problem(tmp_path, trusted_keys({"name": "a"}, {"name": "b", "public_key": "x"}))
    assert "keys.1.public_key" in message
    assert "keys.2.public_key" in message
    assert "(the key 'b')" in message


HOSTILE: dict[str, str | bytes] = {
    "bomb": "a: &a [x,x]\nb: &b [*a,*a]\nkeys: [*b,*b]\n",
    "alias": "version: 1\nkeys: [&k {name: a}, *k]\n",
    "tag": "version: 1\nkeys: !!python/object/apply:os.system [id]\n",
    "merge": "version: 1\nkeys: []\n<<: *x\n",
    "duplicate": "version: 1\nkeys: []\nkeys: []\n",
    "duplicate in a key": "version: 1\nkeys:\n- name: a\n  name: b\n",
    "two documents": "version: 1\n---\nversion: 1\n",
    "deep": "[" * 60_000,
    "control character": "version: 1\nkeys: [{name: a\x07}]\n",
    "not UTF-8": b"version: \xff",
    "unclosed": "version: [1",
    "a PEM file": PEM,
}


@pytest.mark.timeout(20)  # a bomb would take for ever
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml(tmp_path: Path, name: str) -> None:
    problem(tmp_path, HOSTILE[name])


def test_yaml_is_told_with_line_and_column(tmp_path: Path) -> None:
    assert "trusted.yml:3:1 are not valid: it is not plain YAML: 'keys' is there twice" in problem(
        tmp_path, HOSTILE["duplicate"]
    )


def test_files_that_are_too_large_missing_or_no_files(tmp_path: Path) -> None:
    text = trusted_keys(ONE)
    assert loaded(tmp_path, text + " " * (MAX_BYTES - len(text)))
    assert "more than" in problem(tmp_path, text + " " * (MAX_BYTES - len(text) + 1))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(UsageError) as caught:
            load(path)
        assert caught.value.code == "trusted-keys-not-found"


ALGORITHMS = {
    "ECC_NIST_P256": "ECDSA_SHA_256",
    "ECC_SECG_P256K1": "ES256K",
    "ML_DSA_65": "ML_DSA_SHAKE_256",
    "RSA_3072": "RSASSA_PSS_SHA_256",
}


def test_a_label_chooses_and_never_brings_a_key(tmp_path: Path, keys: Keys) -> None:
    entries = [
        {"name": spec, "public_key": pem_of(keys.open(spec, algorithm))}
        for spec, algorithm in ALGORITHMS.items()
    ]
    trusted = loaded(tmp_path, trusted_keys(*entries))
    for key in trusted.keys:
        public = key.public_key
        for labels in (
            (public.fingerprint, None),
            (None, public.hint),
            ("", public.hint),
            ("unknown", public.hint),
            (public.fingerprint, "unknown"),
        ):
            assert trusted.choose(*labels) is key
    first, second = (key.public_key for key in trusted.keys[:2])
    assert trusted.choose(first.fingerprint, second.hint).name == "ECC_NIST_P256"
    stranger = keys.open("other").public_key
    assert stranger is not None
    nothing: list[tuple[str | None, ...]] = [(None, None), ("", ""), ("x",)]
    for unknown in (*nothing, (stranger.fingerprint, stranger.hint)):
        with pytest.raises(VerificationError) as caught:
            trusted.choose(*unknown)
        assert (caught.value.code, caught.value.exit_code) == ("wrong-key", 1)
        assert "another way" in caught.value.fix


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2025-01-01T00:00:00Z", True),
        ("2024-12-31T23:59:59Z", False),
        ("2025-12-31T23:59:59Z", True),
        ("2026-01-01T00:00:00Z", False),
    ],
)
def test_both_ends_of_a_window_belong_to_it(tmp_path: Path, moment: str, inside: bool) -> None:
    window = {"not_before": "2025-01-01T00:00:00Z", "not_after": "2025-12-31T23:59:59Z"}
    [key] = loaded(tmp_path, trusted_keys({**ONE, **window})).keys
    assert key.covers(datetime.fromisoformat(moment)) is inside


def test_the_example_of_the_guide_is_a_file_that_the_schema_takes(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "verifying.md").read_text()
    [example] = [
        text.split("```")[0] for text in guide.split("```yaml\n")[1:] if "public_key" in text
    ]
    trusted = loaded(tmp_path, example)
    assert len(trusted.keys) == 2
    schema = json.loads((ROOT / "docs" / "trusted-keys.schema.json").read_text())
    document = yaml.load(example, yaml.BaseLoader)
    jsonschema.validate(document, schema)
    jsonschema.validate({**document, "version": 1}, schema)
    for wrong in ({}, {**document, "keys": []}, {**document, "key": []}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
