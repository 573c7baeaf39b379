"""What the tests of signing and verifying share: keys, signed audits, and how to forge them."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from signer.assurance import Assurance
from signer.audit.statement import Run
from signer.crypto.algorithms import choose_algorithm
from signer.crypto.verifier import PublicKeyVerifier
from signer.envelope import bundle, dsse
from signer.errors import SignerError
from signer.github.masking import redact
from signer.providers import Provider, hmac_key, kms, sha256_digest
from signer.settings.models import SignSettings
from signer.sign.signing import SignedAudit, sign_audit_files

SECRET = "a secret of thirty-two bytes, ok"
EVENTS = b'{"decision":1}\n{"decision":2}\n{"decision":3}\n'


@dataclass
class Keys:
    """Keys of an embedded KMS, one a spec, made when they are first asked for."""

    directory: Path

    def open(self, alias: str = "default", algorithm: str | None = None) -> kms.KmsKey:
        """The provider for ``alias/NAME``; the first use decides on the key's spec."""
        return kms.open_key(f"alias/{alias}", self.directory, algorithm)

    def verifier(self, alias: str = "default", algorithm: str | None = None) -> PublicKeyVerifier:
        """What verifies with nothing but the public key."""
        public_key = self.open(alias, algorithm).public_key
        assert public_key is not None
        return PublicKeyVerifier(public_key, choose_algorithm(algorithm, public_key.spec))


def hmac_provider(secret: str = SECRET) -> Provider:
    return hmac_key.open_key(secret.encode())


def sha256_provider() -> Provider:
    return sha256_digest.open_key()


def sign_one(
    path: Path, provider: Provider, *, run: Run | None = None, **settings: Any
) -> SignedAudit:
    """Sign one file as the action would, outside a run."""
    [signed] = sign_audit_files(
        [path],
        SignSettings(audit_file=(str(path),), **settings),
        provider,
        run=run,
        workspace=path.parent,
    )
    return signed


def payload_of(bundle_text: bytes) -> dict[str, Any]:
    """The statement in a bundle, unverified."""
    fields: dict[str, Any] = json.loads(
        base64.b64decode(json.loads(bundle_text)["dsseEnvelope"]["payload"])
    )
    return fields


def signed_statement(
    statement: dict[str, Any] | bytes,
    provider: Provider,
    *,
    payload_type: str = dsse.PAYLOAD_TYPE,
) -> bytes:
    """A bundle round any statement, truly signed: what a holder of the key could make."""
    payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    hasher = provider.hasher()
    hasher.update(dsse.pae(payload_type, payload))
    public_key = provider.public_key
    keyid, hint = (
        (public_key.fingerprint, public_key.hint)
        if public_key
        else (provider.key_id, provider.key_id)
    )
    envelope = dsse.Envelope(payload, payload_type, provider.sign(hasher.digest()), keyid)
    return bundle.encode(envelope, hint)


def message_bundle(content: bytes, provider: Provider) -> bytes:
    """A bundle with a signature over a file's own bytes, as ``cosign sign-blob`` makes it."""
    hasher = provider.hasher()
    hasher.update(content)
    signature = provider.sign(hasher.digest())
    public_key = provider.public_key
    return json.dumps(
        {
            "mediaType": bundle.MEDIA_TYPE,
            "verificationMaterial": {
                "publicKey": {"hint": public_key.hint if public_key else provider.key_id}
            },
            "messageSignature": {
                "messageDigest": {
                    "algorithm": "SHA2_256",
                    "digest": base64.b64encode(hashlib.sha256(content).digest()).decode(),
                },
                "signature": base64.b64encode(signature).decode(),
            },
        }
    ).encode()


def pem_of(provider: Provider) -> str:
    """The public key of a provider."""
    assert provider.public_key is not None
    return provider.public_key.pem.decode()


def trusted_keys(*keys: dict[str, Any], **more: Any) -> str:
    """A file of trusted keys with these entries, in JSON, which is YAML too."""
    return json.dumps({"version": 1, "keys": keys, **more})


def at(fields: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The object that holds the last name of a dotted path, and that name."""
    *parents, last = path.split(".")
    for name in parents:
        fields = fields[int(name)] if isinstance(fields, list) else fields[name]
    return fields, last


@dataclass
class RecordedLog:
    """A log that keeps what it is told."""

    infos: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[SignerError] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)

    def info(self, text: str) -> None:
        self.infos.append(text)

    def notice(self, title: str, text: str) -> None:
        self.infos.append(f"{title}: {text}")

    def warning(self, title: str, text: str) -> None:
        self.warnings.append(f"{title}: {text}")

    def error(self, error: SignerError) -> None:
        self.errors.append(error)

    def mask(self, secret: str) -> None:
        self.masked.append(secret)

    def redact(self, text: str) -> str:
        return redact(text, self.masked)


@dataclass
class BrokenProvider:
    """A provider whose ``sign`` or ``verify`` fails on purpose; else the one inside.

    Attributes:
        inner: the provider that signs when nothing fails.
        fail_on: which call of ``sign`` raises ``error``, counted from 1.
        error: what it raises.
        garble: give signatures that do not verify.
    """

    inner: Provider
    fail_on: int | None = None
    error: Exception | None = None
    garble: bool = False
    calls: int = 0

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def assurance(self) -> Assurance:
        return self.inner.assurance

    @property
    def algorithm(self) -> str:
        return self.inner.algorithm

    @property
    def key_id(self) -> str:
        return self.inner.key_id

    @property
    def public_key(self) -> Any:
        return self.inner.public_key

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self.inner.notes)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.inner.warnings)

    def key_created(self) -> datetime | None:
        return self.inner.key_created()

    def hasher(self) -> Any:
        return self.inner.hasher()

    def sign(self, digest: bytes) -> bytes:
        self.calls += 1
        if self.calls == self.fail_on and self.error is not None:
            raise self.error
        signature = self.inner.sign(digest)
        return signature[:-1] + bytes([signature[-1] ^ 1]) if self.garble else signature

    def verify(self, signature: bytes, digest: bytes) -> None:
        self.inner.verify(signature, digest)
