"""Azure without Azure: the stand-in's own keys behind the provider's calls, no network."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from signer.crypto.keys import PublicKey
from signer.errors import ProviderError
from signer.providers.azure.access import Access
from signer.providers.azure.cloud import cloud_of
from signer.providers.azure.jwk import VaultKey, read_key
from signer.providers.azure.key import AzureKey, open_key
from signer.providers.azure.names import Reference
from signer.providers.host import Host
from tests.azure_stand_in import Vault
from tests.azure_stand_in.keys import KeyVersion
from tests.azure_stand_in.tokens import encode
from tests.azure_stand_in.vault import describe_key

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


@dataclass
class Said:
    """What a provider told its host."""

    lines: list[str] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    audiences: list[str] = field(default_factory=list)
    cleanup: ExitStack = field(default_factory=ExitStack)

    def access(
        self, environ: Mapping[str, str] | None = None, *, offers: bool = True, **changes: Any
    ) -> Access:
        """Access with short patience, and a job's token where the settings ask for it."""

        def identity_token(audience: str) -> str:
            self.audiences.append(audience)
            claims = encode(b'{"sub":"repo:acme/x","iss":"https://github","aud":"api"}')
            return f"e30.{claims}.AAAA"

        host = Host(
            environ=environ or {},
            notify=self.lines.append,
            mask=self.masked.append,
            identity_token=identity_token,
            offers_identity_token=offers,
            session_name="acme/x-1",
            cleanup=self.cleanup,
        )
        known: dict[str, Any] = {
            "cloud": cloud_of(host.environ),
            "tenant_id": None,
            "client_id": None,
            "timeout": 2.0,
            "host": host,
        }
        return Access(**known | changes)


class InMemory:
    """Calls that reach a vault without HTTP."""

    date = ""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.reads = 0

    def read_key(self, reference: Reference) -> VaultKey:
        self.reads += 1
        return read_key(describe_key(self.vault, reference.name, self._find(reference)).content)

    def read_rotation(self, reference: Reference) -> Mapping[str, Any]:
        return {}

    def credential(self) -> str:
        return "in memory"

    def sign(self, reference: Reference, algorithm: str, digest: bytes) -> tuple[str, str]:
        if len(digest) not in (32, 48, 64):
            raise ProviderError("kms-validation", "ValidationException", fix="a digest")
        version = self._find(reference)
        signature = version.sign(algorithm, digest)
        return self.vault.key_id(reference.name, version.version), encode(signature)

    def verify(self, reference: Reference, algorithm: str, digest: bytes, signature: bytes) -> bool:
        return self._find(reference).verify(algorithm, digest, signature)

    def _find(self, reference: Reference) -> KeyVersion:
        version = self.vault.keys[reference.name].find(reference.version)
        assert version is not None
        return version


@cache
def vault() -> Vault:
    """One vault for all tests that only sign with its keys."""
    return Vault(host="acme-audit.vault.azure.net", tenant=TENANT)


def open_kind(
    kind: str, algorithm: str | None, name: str | None = None, pinned: PublicKey | None = None
) -> AzureKey:
    """The provider for a key of a kind, made at first use."""
    name = name or kind.lower()
    if name not in vault().keys:
        vault().add(name, kind)
    reference = Reference("https://acme-audit.vault.azure.net", "keys", name)
    calls = InMemory(vault())
    return open_key("azure_kv_sdk", calls, reference, algorithm=algorithm, pinned=pinned)
