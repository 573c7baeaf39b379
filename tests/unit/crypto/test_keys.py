"""Public keys: what is read and what is refused, how they are named, and strict verification."""

import base64
import hashlib
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import (
    ec,
    ed448,
    ed25519,
    mldsa,
    padding,
    rsa,
    utils,
    x25519,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.crypto.keys import MAX_KEY_FILE, PublicKey
from signer.errors import SignerError, UsageError, VerificationError

MESSAGE = b"policy audit"
DIGEST = hashlib.sha256(MESSAGE).digest()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

needs_openssl = pytest.mark.peer("openssl")
needs_ssh_keygen = pytest.mark.peer("ssh-keygen")


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def p256_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def p256(p256_key: ec.EllipticCurvePrivateKey) -> PublicKey:
    return PublicKey.from_key(p256_key.public_key())


def _pem(der: bytes, label: str = "PUBLIC KEY") -> bytes:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{body}-----END {label}-----\n".encode()


def _run(*command: str | Path, stdin: bytes | None = None) -> bytes:
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


KINDS: dict[str, Callable[[], object]] = {
    "ECC_NIST_P256": lambda: ec.generate_private_key(ec.SECP256R1()).public_key(),
    "ECC_NIST_P384": lambda: ec.generate_private_key(ec.SECP384R1()).public_key(),
    "ECC_NIST_P521": lambda: ec.generate_private_key(ec.SECP521R1()).public_key(),
    "ECC_SECG_P256K1": lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
    "ECC_NIST_EDWARDS25519": lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
    "ML_DSA_44": lambda: mldsa.MLDSA44PrivateKey.generate().public_key(),
    "ML_DSA_65": lambda: mldsa.MLDSA65PrivateKey.generate().public_key(),
    "ML_DSA_87": lambda: mldsa.MLDSA87PrivateKey.generate().public_key(),
    "RSA_2048": lambda: _rsa_public(2**2047 + 1),
    "RSA_3072": lambda: _rsa_public(2**3071 + 1),
    "RSA_8192": lambda: _rsa_public(2**8191 + 1),
}


def _rsa_public(modulus: int, exponent: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


@pytest.mark.parametrize("spec", KINDS)
def test_a_key_goes_to_pem_and_der_and_back(spec: str) -> None:
    key = PublicKey.from_key(KINDS[spec]())
    assert key.spec == spec
    assert PublicKey.from_pem(key.pem) == PublicKey.from_der(key.der) == key
    assert key.hint == base64.b64encode(hashlib.sha256(key.der).digest()).decode()
    assert key.default_algorithm == key.algorithms[0]
    assert key != PublicKey.from_key(KINDS["ECC_NIST_P256"]())


@pytest.mark.parametrize("spec", ["ECC_SECG_P256K1", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"])
def test_the_fingerprint_without_an_openssh_form_is_that_of_the_der(spec: str) -> None:
    key = PublicKey.from_key(KINDS[spec]())
    assert key.fingerprint == "SHA256:" + key.hint.rstrip("=")


@needs_ssh_keygen
@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ed25519"),
        ("-t", "ecdsa", "-b", "256"),
        ("-t", "ecdsa", "-b", "384"),
        ("-t", "ecdsa", "-b", "521"),
        ("-t", "rsa", "-b", "2048"),
    ],
    ids=" ".join,
)
def test_the_fingerprint_is_what_ssh_keygen_prints(options: list[str], tmp_path: Path) -> None:
    _run("ssh-keygen", "-q", *options, "-N", "", "-f", tmp_path / "key")
    printed = _run("ssh-keygen", "-lf", tmp_path / "key.pub").decode().split()[1]
    key = PublicKey.from_key(load_ssh_public_key((tmp_path / "key.pub").read_bytes()))
    assert key.fingerprint == printed
    assert PublicKey.from_pem(key.pem).fingerprint == printed


@needs_ssh_keygen
def test_ssh_keygen_agrees_on_our_own_pem(p256: PublicKey, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(p256.pem)
    line = _run("ssh-keygen", "-i", "-m", "PKCS8", "-f", tmp_path / "key.pem")
    printed = _run("ssh-keygen", "-lf", "-", stdin=line).decode().split()[1]
    assert p256.fingerprint == printed


@needs_openssl
def test_a_compressed_point_is_the_same_key(p256: PublicKey) -> None:
    compressed = _run(
        "openssl", "ec", "-pubin", "-pubout", "-conv_form", "compressed", stdin=p256.pem
    )
    assert compressed != p256.pem
    key = PublicKey.from_pem(compressed)
    assert (key.der, key.hint, key.fingerprint) == (p256.der, p256.hint, p256.fingerprint)


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: pem.replace(b"\n", b"\r\n"),
        lambda pem: pem.rstrip(b"\n"),
        lambda pem: b"\n\n" + pem + b"\n  \n",
    ],
    ids=["CRLF", "no last line feed", "white space around"],
)
def test_harmless_differences_are_read(change: Callable[[bytes], bytes], p256: PublicKey) -> None:
    assert PublicKey.from_pem(change(p256.pem)) == p256


def _private_pem(private_format: PrivateFormat) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, private_format, NoEncryption())


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _public_pem() -> bytes:
    return PublicKey.from_key(KINDS["ECC_NIST_P256"]()).pem


def _public_der() -> bytes:
    return PublicKey.from_key(KINDS["ECC_NIST_P256"]()).der


def _ssh_line() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def _pkcs1() -> bytes:
    return _rsa_public(2**2047 + 1).public_bytes(Encoding.PEM, PublicFormat.PKCS1)


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "not a PEM public key"),
    "text": (lambda: b"hello", "not a PEM public key"),
    "private PKCS#8": (lambda: _private_pem(PrivateFormat.PKCS8), "this is a private key"),
    "private SEC 1": (
        lambda: _private_pem(PrivateFormat.TraditionalOpenSSL),
        "this is a private key",
    ),
    "private OpenSSH": (lambda: _private_pem(PrivateFormat.OpenSSH), "this is a private key"),
    "private after public": (
        lambda: _public_pem() + _private_pem(PrivateFormat.PKCS8),
        "this is a private key",
    ),
    "encrypted": (lambda: _pem(b"x" * 99, "ENCRYPTED PRIVATE KEY"), "this is a private key"),
    "private under a public label": (
        lambda: _pem(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
            )
        ),
        "not the SubjectPublicKeyInfo",
    ),
    "certificate": (_certificate, "this is a certificate"),
    "PKCS#1": (_pkcs1, "RSA's older form"),
    "OpenSSH line": (_ssh_line, "OpenSSH's form"),
    "DER": (_public_der, "not a PEM public key"),
    "two keys": (lambda: _public_pem() + _public_pem(), "more than one PEM block"),
    "text before": (lambda: b"my key\n" + _public_pem(), "something before or after"),
    "text after": (lambda: _public_pem() + b"my key\n", "something before or after"),
    "NUL after": (lambda: _public_pem() + b"\0", "something before or after"),
    "byte order mark": (lambda: b"\xef\xbb\xbf" + _public_pem(), "something before or after"),
    "PEM headers": (
        lambda: _public_pem().replace(b"KEY-----\n", b"KEY-----\nComment: x\n\n", 1),
        "something before or after",
    ),
    "no end": (lambda: _public_pem().partition(b"-----END")[0], "something before or after"),
    "base64 cut short": (lambda: _public_pem().replace(b"==\n", b"\n"), "base64"),
    "base64 with a hole": (
        lambda: b"-----BEGIN PUBLIC KEY-----\nAAA=AAAA\n-----END PUBLIC KEY-----\n",
        "base64",
    ),
    "DER cut short": (lambda: _pem(_public_der()[:-1]), "not the SubjectPublicKeyInfo"),
    "DER with more after": (lambda: _pem(_public_der() + b"\0"), "not the SubjectPublicKeyInfo"),
    "point off the curve": (
        lambda: _pem(_public_der()[:-1] + bytes([_public_der()[-1] ^ 1])),
        "not the SubjectPublicKeyInfo",
    ),
    "too large": (lambda: _public_pem() + b"\n" * MAX_KEY_FILE, "something before or after"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_is_no_public_key_is_refused_without_an_echo(case: str) -> None:
    make, reason = UNREADABLE[case]
    content = make()
    with pytest.raises(VerificationError, match=reason) as refusal:
        PublicKey.from_pem(content)
    assert refusal.value.code == "key-unreadable"
    assert refusal.value.exit_code == 1
    said = f"{refusal.value} {refusal.value.fix} {refusal.value.__cause__}".encode()
    assert not any(
        line in said for line in content.splitlines() if len(line) > 30 and line[:1] != b"-"
    )


NOT_ACCEPTED: dict[str, tuple[Callable[[], object], str]] = {
    "RSA 1024": (lambda: _rsa_public(2**1023 + 1), "1024 bits"),
    "RSA 2047": (lambda: _rsa_public(2**2046 + 1), "2047 bits"),
    "RSA 8193": (lambda: _rsa_public(2**8192 + 1), "8193 bits"),
    "RSA exponent 3": (lambda: _rsa_public(2**2047 + 1, 3), "exponent"),
    "RSA exponent 65535": (lambda: _rsa_public(2**2047 + 1, 65535), "exponent"),
    "RSA exponent of 257 bits": (lambda: _rsa_public(2**2047 + 1, 2**256 + 1), "exponent"),
    "RSA modulus even": (lambda: _rsa_public(2**2047), "modulus is even"),
    "P-224": (lambda: ec.generate_private_key(ec.SECP224R1()).public_key(), "secp224r1"),
    "brainpool": (
        lambda: ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
        "brainpoolP256r1",
    ),
    "Ed448": (lambda: ed448.Ed448PrivateKey.generate().public_key(), "Ed448"),
    "X25519": (lambda: x25519.X25519PrivateKey.generate().public_key(), "X25519"),
}


@pytest.mark.parametrize("case", NOT_ACCEPTED)
def test_weak_and_unknown_keys_are_refused(case: str) -> None:
    make, reason = NOT_ACCEPTED[case]
    key = make()
    with pytest.raises(VerificationError, match=reason) as refusal:
        PublicKey.from_key(key)
    assert refusal.value.code == "key-not-accepted"
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    with pytest.raises(VerificationError):
        PublicKey.from_pem(_pem(der))


def _der_integer(value: bytes) -> bytes:
    return b"\x02" + bytes([len(value)]) + value


@pytest.mark.parametrize("spec", KINDS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_altered_key_is_read_or_refused(spec: str, data: st.DataObject) -> None:
    der = PublicKey.from_key(_made_once(spec)).der
    start = data.draw(st.integers(0, min(len(der) - 1, 80)))
    length = data.draw(st.integers(0, 4))
    altered = der[:start] + data.draw(st.binary(max_size=4)) + der[start + length :]
    with suppress(VerificationError):  # any other exception fails
        key = PublicKey.from_pem(_pem(altered))
        assert PublicKey.from_der(key.der) == key


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_no_key_is_refused(content: bytes) -> None:
    for read in (PublicKey.from_pem, PublicKey.from_der):
        with pytest.raises(VerificationError):
            read(content)


@cache
def _made_once(spec: str) -> object:
    return KINDS[spec]()


def _signed(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)


def _sequence(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return b"\x30" + bytes([len(body)]) + body


def _long_form(signature: bytes) -> bytes:
    return b"\x30\x81" + signature[1:]


def _indefinite(signature: bytes) -> bytes:
    return b"\x30\x80" + signature[2:] + b"\x00\x00"


INTEGERS: dict[str, Callable[[int, int], bytes]] = {
    "r is zero": lambda r, s: _sequence(_der_integer(b"\0"), _der_integer(_signed(s))),
    "s is zero": lambda r, s: _sequence(_der_integer(_signed(r)), _der_integer(b"\0")),
    "both are zero": lambda r, s: _sequence(_der_integer(b"\0"), _der_integer(b"\0")),
    "r is negative": lambda r, s: _sequence(
        _der_integer(_signed(r - P256_ORDER)), _der_integer(_signed(s))
    ),
    "s is negative": lambda r, s: _sequence(_der_integer(_signed(r)), _der_integer(_signed(-s))),
    "r is too large": lambda r, s: utils.encode_dss_signature(r + P256_ORDER, s),
    "s is too large": lambda r, s: utils.encode_dss_signature(r, s + P256_ORDER),
    "r has a needless zero": lambda r, s: _sequence(
        _der_integer(b"\0" + _signed(r)), _der_integer(_signed(s))
    ),
    "s has a needless zero": lambda r, s: _sequence(
        _der_integer(_signed(r)), _der_integer(b"\0" + _signed(s))
    ),
    "r and s swapped": lambda r, s: utils.encode_dss_signature(s, r),
    "three integers": lambda r, s: _sequence(*(_der_integer(_signed(n)) for n in (r, s, 1))),
    "one integer": lambda r, s: _sequence(_der_integer(_signed(r))),
    "r and s without DER": lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big"),
}
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda signature: b"",
    "byte after": lambda signature: signature + b"\0",
    "byte missing": lambda signature: signature[:-1],
    "byte within the sequence": lambda signature: _sequence(signature[2:] + b"\0"),
    "length in long form": _long_form,
    "indefinite length": _indefinite,
    "a set": lambda signature: b"\x31" + signature[1:],
    "base64": base64.b64encode,
}


@pytest.mark.parametrize("case", [*INTEGERS, *ENCODINGS])
def test_ecdsa_signatures_are_read_strictly(
    case: str, p256_key: ec.EllipticCurvePrivateKey, p256: PublicKey
) -> None:
    signature = p256_key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    p256.verify("ECDSA_SHA_256", signature, DIGEST)
    r, s = utils.decode_dss_signature(signature)
    malformed = INTEGERS[case](r, s) if case in INTEGERS else ENCODINGS[case](signature)
    with pytest.raises(VerificationError) as refusal:
        p256.verify("ECDSA_SHA_256", malformed, DIGEST)
    assert refusal.value.code == "signature-mismatch"
    assert p256.fingerprint in refusal.value.message


def test_a_high_s_is_accepted_because_a_kms_may_return_one(
    p256_key: ec.EllipticCurvePrivateKey, p256: PublicKey
) -> None:
    r, s = utils.decode_dss_signature(p256_key.sign(MESSAGE, ec.ECDSA(hashes.SHA256())))
    for either in (s, P256_ORDER - s):
        p256.verify("ECDSA_SHA_256", utils.encode_dss_signature(r, either), DIGEST)


@pytest.mark.parametrize("salt_length", [0, 20, 31, 33, padding.PSS.MAX_LENGTH])
def test_a_pss_salt_is_as_long_as_the_digest(salt_length: int, rsa_key: rsa.RSAPrivateKey) -> None:
    key = PublicKey.from_key(rsa_key.public_key())

    def sign(length: int) -> bytes:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), length)
        return rsa_key.sign(MESSAGE, pss, hashes.SHA256())

    key.verify("RSASSA_PSS_SHA_256", sign(32), DIGEST)
    with pytest.raises(VerificationError, match="RSASSA_PSS_SHA_256"):
        key.verify("RSASSA_PSS_SHA_256", sign(salt_length), DIGEST)


def test_pss_masks_with_the_same_hash(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = rsa_key.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())
    with pytest.raises(VerificationError):
        PublicKey.from_key(rsa_key.public_key()).verify("RSASSA_PSS_SHA_256", signature, DIGEST)


def test_rsa_algorithms_do_not_pass_for_each_other(rsa_key: rsa.RSAPrivateKey) -> None:
    key = PublicKey.from_key(rsa_key.public_key())
    signature = rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    key.verify("RSASSA_PKCS1_V1_5_SHA_256", signature, DIGEST)
    digests = {bits: hashlib.new(f"sha{bits}", MESSAGE).digest() for bits in (256, 384, 512)}
    for algorithm in key.algorithms[1:]:
        with pytest.raises(VerificationError):
            key.verify(algorithm, signature, digests[int(algorithm[-3:])])


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_a_digest_of_the_wrong_length_never_verifies(
    length: int, p256_key: ec.EllipticCurvePrivateKey, p256: PublicKey
) -> None:
    signature = p256_key.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(VerificationError):
        p256.verify("ECDSA_SHA_256", signature, (DIGEST + DIGEST)[:length])


@pytest.mark.parametrize(
    ("algorithm", "code"),
    [
        ("ECDSA_SHA_384", "algorithm-not-offered"),
        ("ES256K", "algorithm-not-offered"),
        ("HMAC_SHA_256", "algorithm-not-offered"),
        ("SHA_256", "algorithm-not-offered"),
        ("none", "algorithm-unknown"),
    ],
)
def test_an_algorithm_that_does_not_fit_is_wrong_use(
    algorithm: str, code: str, p256: PublicKey
) -> None:
    with pytest.raises(SignerError) as refusal:
        p256.verify(algorithm, b"", DIGEST)
    assert isinstance(refusal.value, UsageError)
    assert refusal.value.code == code
