"""DSSE and the bundle: the specification's vector, and everything that is refused."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.envelope import bundle, dsse, strict_json
from signer.envelope.bundle import Bundle, MessageSignature, decode, encode
from signer.envelope.dsse import Envelope, pae
from signer.errors import VerificationError
from tests.unit.support import at

ENVELOPE = Envelope(b'{"a":1}', dsse.PAYLOAD_TYPE, b"\x00\xffsignature", "SHA256:key")
TEXT = encode(ENVELOPE, "aGludA==")
MESSAGE: dict[str, Any] = {
    "mediaType": bundle.MEDIA_TYPE,
    "verificationMaterial": {"publicKey": {"hint": "aGludA=="}},
    "messageSignature": {
        "messageDigest": {"algorithm": "SHA2_256", "digest": base64.b64encode(bytes(32)).decode()},
        "signature": "c2ln",
    },
}


def _fields() -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(TEXT)
    return fields


def _reason(text: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        decode(text)
    assert caught.value.exit_code == 1
    assert caught.value.fix
    return caught.value.code


@pytest.mark.parametrize(
    ("payload_type", "payload", "encoded"),
    [
        # protocol.md, "Test Vectors"
        ("http://example.com/HelloWorld", b"hello world",
         b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        ("", b"", b"DSSEv1 0  0 "),
        ("ö", b"\x00 \xff", "DSSEv1 2 ö 3 ".encode() + b"\x00 \xff"),
    ],
)  # fmt: skip
def test_pae_is_the_specifications(payload_type: str, payload: bytes, encoded: bytes) -> None:
    assert pae(payload_type, payload) == encoded
    assert encoded.startswith(dsse.PAE_PREFIX)


def test_a_bundle_has_the_fields_of_the_contract() -> None:
    assert TEXT.endswith(b"}\n")
    assert json.loads(TEXT) == {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "aGludA=="}},
        "dsseEnvelope": {
            "payload": "eyJhIjoxfQ==",
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": "AP9zaWduYXR1cmU=", "keyid": "SHA256:key"}],
        },
    }


def test_a_message_signature_is_read() -> None:
    assert decode(json.dumps(MESSAGE).encode()) == Bundle(
        "aGludA==", MessageSignature(b"sig", bytes(32))
    )


def test_a_certificate_in_place_of_a_key_has_no_hint() -> None:
    fields = _fields()
    fields["verificationMaterial"] = {"certificate": {"rawBytes": "AA=="}, "tlogEntries": []}
    assert decode(json.dumps(fields).encode()).hint is None


MISSING = object()


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("mediaType", "application/vnd.dev.sigstore.bundle+json;version=0.2", "unknown-media-type"),
        ("mediaType", "application/vnd.dev.sigstore.bundle.v0.4+json", "unknown-media-type"),
        ("mediaType", bundle.MEDIA_TYPE.upper(), "unknown-media-type"),
        ("mediaType", [bundle.MEDIA_TYPE], "unknown-media-type"),
        ("mediaType", MISSING, "unknown-media-type"),
        ("verificationMaterial", MISSING, "malformed-bundle"),
        ("verificationMaterial", [], "malformed-bundle"),
        ("verificationMaterial.publicKey", "hint", "malformed-bundle"),
        ("verificationMaterial.publicKey.hint", 1, "malformed-bundle"),
        ("dsseEnvelope", MISSING, "malformed-bundle"),
        ("dsseEnvelope", None, "malformed-bundle"),
        ("messageSignature", MESSAGE["messageSignature"], "malformed-bundle"),
        ("messageSignature", None, "malformed-bundle"),
        ("dsseEnvelope.payloadType", MISSING, "malformed-bundle"),
        ("dsseEnvelope.payloadType", 7, "malformed-bundle"),
        ("dsseEnvelope.payloadType", "\ud800", "malformed-bundle"),
        ("dsseEnvelope.payload", MISSING, "malformed-bundle"),
        ("dsseEnvelope.payload", {"a": 1}, "malformed-bundle"),
        ("dsseEnvelope.signatures", MISSING, "malformed-bundle"),
        ("dsseEnvelope.signatures", {"0": {}}, "malformed-bundle"),
        ("dsseEnvelope.signatures", ["c2ln"], "malformed-bundle"),
        ("dsseEnvelope.signatures", [{"keyid": "x"}], "malformed-bundle"),
        ("dsseEnvelope.signatures", [{"sig": "c2ln", "keyid": 3}], "malformed-bundle"),
        ("dsseEnvelope.signatures", [], "signature-count"),
        ("dsseEnvelope.signatures", [{"sig": "c2ln"}] * 2, "signature-count"),
        ("dsseEnvelope.payload", "", "malformed-base64"),
        ("dsseEnvelope.payload", "eyJhIjoxfQ", "malformed-base64"),  # no padding
        ("dsseEnvelope.payload", "eyJhIjoxfQ=", "malformed-base64"),
        ("dsseEnvelope.payload", "eyJhIjoxfQ===", "malformed-base64"),
        ("dsseEnvelope.payload", "eyJhIjoxfR==", "malformed-base64"),  # stray bits
        ("dsseEnvelope.payload", "eyJh\nIjoxfQ==", "malformed-base64"),
        ("dsseEnvelope.payload", " eyJhIjoxfQ==", "malformed-base64"),
        ("dsseEnvelope.payload", "eyJhIjoxfQ==é", "malformed-base64"),
        ("dsseEnvelope.payload", "\ud800", "malformed-bundle"),
        ("dsseEnvelope.payload", "eyJhIjoxfQ==eyJh", "malformed-base64"),
        ("dsseEnvelope.signatures.0.sig", "AP9_-25hdHVyZQ==", "malformed-base64"),  # urlsafe
        ("dsseEnvelope.signatures.0.sig", "", "malformed-base64"),
    ],
)
def test_a_malformed_bundle_is_refused_for_its_reason(path: str, value: Any, reason: str) -> None:
    fields = _fields()
    parent, name = at(fields, path)
    if value is MISSING:
        del parent[name]
    else:
        parent[name] = value
    assert _reason(json.dumps(fields).encode()) == reason


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("messageSignature.messageDigest", MISSING, "malformed-bundle"),
        ("messageSignature.messageDigest.algorithm", "SHA2_512", "malformed-bundle"),
        ("messageSignature.messageDigest.algorithm", 1, "malformed-bundle"),
        ("messageSignature.messageDigest.digest", "AA", "malformed-base64"),
        ("messageSignature.signature", "c2l-", "malformed-base64"),
        ("messageSignature.signature", MISSING, "malformed-bundle"),
    ],
)
def test_a_malformed_message_signature_is_refused(path: str, value: Any, reason: str) -> None:
    fields = json.loads(json.dumps(MESSAGE))
    parent, name = at(fields, path)
    if value is MISSING:
        del parent[name]
    else:
        parent[name] = value
    assert _reason(json.dumps(fields).encode()) == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: b"", "malformed-json"),
        (lambda text: text[:-3], "malformed-json"),
        (lambda text: text + b"x", "trailing-data"),
        (lambda text: text + text, "trailing-data"),
        (lambda text: text + b"\0", "trailing-data"),
        (lambda text: b"\xef\xbb\xbf" + text, "malformed-json"),
        (lambda text: text.decode().encode("utf-16"), "malformed-json"),
        (lambda text: text.replace(b"SHA256:key", b"\xff"), "malformed-json"),
        (lambda text: text.replace(b"SHA256:key", b"\x01"), "malformed-json"),
        (lambda text: text.replace(b"}\n", b',"x":NaN}\n'), "malformed-json"),
        (lambda text: text.replace(b"{", b'{"x":-Infinity,', 1), "malformed-json"),
        (lambda text: text.replace(b"{", b'{"x":' + b"9" * 5000 + b",", 1), "malformed-json"),
        (lambda text: text.replace(b"{", b'{"x":' + b"[" * 90_000, 1), "malformed-json"),
        (lambda text: text.replace(b"{", b'{"x":' * 90_000, 1), "malformed-json"),
        (lambda text: text.replace(b"{", b"{'x':1,", 1), "malformed-json"),
        (lambda text: text.replace(b"{", b"{/**/", 1), "malformed-json"),
        (lambda text: b"[" + text + b"]", "malformed-bundle"),
        (lambda text: b'"text"', "malformed-bundle"),
        (lambda text: b"null", "malformed-bundle"),
        (lambda text: text + b" " * bundle.MAX_BUNDLE_BYTES, "bundle-too-large"),
        (lambda text: b"\xff" * (bundle.MAX_BUNDLE_BYTES + 1), "bundle-too-large"),
    ],
)
def test_what_is_not_one_json_object_is_refused(
    change: Callable[[bytes], bytes], reason: str
) -> None:
    assert _reason(change(TEXT)) == reason


@pytest.mark.parametrize(
    "mark",
    ['"mediaType"', '"hint"', '"payload"', '"payloadType"', '"sig"', '"keyid"', '"dsseEnvelope"'],
)
def test_a_field_that_is_there_twice_is_refused_at_any_depth(mark: str) -> None:
    twice = TEXT.replace(mark.encode(), f'{mark}: "x", {mark}'.encode(), 1)
    assert _reason(twice) == "duplicate-field"


def test_a_name_written_in_two_ways_is_a_duplicate() -> None:
    assert _reason(TEXT.replace(b'"sig"', b'"s\\u0069g": "x", "sig"')) == "duplicate-field"


def test_a_bundle_of_the_largest_size_is_read() -> None:
    assert decode(TEXT + b" " * (bundle.MAX_BUNDLE_BYTES - len(TEXT))).content == ENVELOPE


def test_many_fields_are_refused_within_a_second() -> None:
    names = ",".join(f'"{number:x}":0' for number in range(90_000))
    text = f'{{{names},"15f8f":0}}'.encode()
    assert len(text) <= bundle.MAX_BUNDLE_BYTES
    started = time.monotonic()
    assert _reason(text) == "duplicate-field"
    assert time.monotonic() - started < 5


def test_strict_json_says_where_it_goes_wrong() -> None:
    with pytest.raises(VerificationError, match=r"the statement goes on .* line 2 column 1"):
        strict_json.loads(b"{}\n{}", what="the statement")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_bundle_or_refused(text: bytes) -> None:
    _parse(text)


@settings(max_examples=300)
@given(st.data())
def test_any_change_of_a_bundle_is_a_bundle_or_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(TEXT)))
    end = data.draw(st.integers(start, min(len(TEXT), start + 8)))
    _parse(TEXT[:start] + data.draw(st.binary(max_size=8)) + TEXT[end:])


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@given(st.sampled_from([TEXT, json.dumps(MESSAGE).encode()]), st.data())
def test_any_value_in_any_field_is_a_bundle_or_refused(text: bytes, data: st.DataObject) -> None:
    fields = json.loads(text)
    parent = fields
    while True:
        name = data.draw(st.sampled_from(sorted(parent)))
        child = parent[name][0] if isinstance(parent[name], list) else parent[name]
        if not isinstance(child, dict) or data.draw(st.booleans()):
            break
        parent = child
    parent[name] = data.draw(_VALUES)
    _parse(json.dumps(fields).encode())


@given(
    st.builds(
        Envelope,
        payload=st.binary(min_size=1, max_size=200),
        payload_type=st.text(st.characters(codec="utf-8"), max_size=40),
        signature=st.binary(min_size=1, max_size=200),
        keyid=st.text(st.characters(codec="utf-8"), max_size=60),
    ),
    st.text(st.characters(codec="utf-8"), max_size=60),
)
def test_what_was_packed_is_unpacked(envelope: Envelope, hint: str) -> None:
    assert decode(encode(envelope, hint)) == Bundle(hint, envelope)


@given(st.text(max_size=30), st.binary(max_size=60), st.text(max_size=30), st.binary(max_size=60))
def test_no_two_contents_have_one_encoding(one: str, a: bytes, two: str, b: bytes) -> None:
    try:
        encoded = pae(one, a), pae(two, b)
    except UnicodeEncodeError:
        return
    assert (encoded[0] == encoded[1]) == ((one, a) == (two, b))


def _parse(text: bytes) -> None:
    try:
        parsed = decode(text)
    except VerificationError:
        return
    if isinstance(parsed.content, Envelope):
        pae(parsed.content.payload_type, parsed.content.payload)
    else:
        assert isinstance(parsed.content, MessageSignature)
