"""What a vault holds: keys with versions, secrets, grants. Real keys, real signatures."""

import hmac
import secrets
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from tests.azure_stand_in.tokens import encode

CURVES: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-256K": ec.SECP256K1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
EC_ALGORITHMS = {"P-256": "ES256", "P-256K": "ES256K", "P-384": "ES384", "P-521": "ES512"}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}

AnyKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | bytes


@dataclass
class KeyVersion:
    """One version of a key; attributes may be changed by a test while the stand-in runs."""

    kty: str
    key: AnyKey
    crv: str = ""
    version: str = field(default_factory=lambda: secrets.token_hex(16))
    enabled: bool = True
    nbf: int | None = None
    exp: int | None = None
    key_ops: tuple[str, ...] = ("sign", "verify")
    created: int = field(default_factory=lambda: int(time.time()))

    def algorithms(self) -> list[str]:
        """The names this key signs under (REST reference, JsonWebKeySignatureAlgorithm)."""
        if isinstance(self.key, bytes):
            return ["HS256", "HS384", "HS512"]
        if isinstance(self.key, rsa.RSAPrivateKey):
            return [f"{kind}{bits}" for kind in ("RS", "PS") for bits in HASHES]
        return [EC_ALGORITHMS[self.crv]]

    def jwk(self) -> dict[str, Any]:
        """The public members (RFC 7518, section 6), without ``kid``."""
        members: dict[str, Any] = {"kty": self.kty, "key_ops": list(self.key_ops)}
        if isinstance(self.key, rsa.RSAPrivateKey):
            numbers = self.key.public_key().public_numbers()
            size = self.key.key_size // 8
            members |= {"n": encode(numbers.n.to_bytes(size)), "e": encode(numbers.e.to_bytes(3))}
        elif not isinstance(self.key, bytes):
            point = self.key.public_key().public_numbers()
            size = (self.key.key_size + 7) // 8
            members |= {
                "crv": self.crv,
                "x": encode(point.x.to_bytes(size)),
                "y": encode(point.y.to_bytes(size)),
            }
        return members

    def sign(self, algorithm: str, digest: bytes) -> bytes:
        """The signature in the service's form: r and s side by side for EC."""
        hashed = HASHES[algorithm[2:5]]
        if isinstance(self.key, bytes):
            return hmac.digest(self.key, digest, f"sha{algorithm[2:]}")
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(digest, _padding(algorithm, hashed), utils.Prehashed(hashed))
        der = self.key.sign(digest, ec.ECDSA(utils.Prehashed(hashed)))
        size = (self.key.key_size + 7) // 8
        return b"".join(number.to_bytes(size) for number in utils.decode_dss_signature(der))

    def verify(self, algorithm: str, digest: bytes, signature: bytes) -> bool:
        """Whether a signature in the service's form is this key's."""
        hashed = HASHES[algorithm[2:5]]
        try:
            if isinstance(self.key, bytes):
                return hmac.compare_digest(self.sign(algorithm, digest), signature)
            if isinstance(self.key, rsa.RSAPrivateKey):
                scheme = _padding(algorithm, hashed)
                prehashed = utils.Prehashed(hashed)
                self.key.public_key().verify(signature, digest, scheme, prehashed)
            else:
                half = len(signature) // 2
                pair = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
                der = utils.encode_dss_signature(*pair)
                self.key.public_key().verify(der, digest, ec.ECDSA(utils.Prehashed(hashed)))
        except InvalidSignature:
            return False
        return True


@dataclass
class Key:
    """A key's versions, the current one last.

    Attributes:
        rotates_after: the ``timeAfterCreate`` of its rotation policy, such as ``P90D``, if any.
    """

    versions: list[KeyVersion]
    deleted: bool = False
    rotates_after: str = ""

    def find(self, version: str) -> KeyVersion | None:
        """The version asked for; the current one for an empty text."""
        if not version:
            return self.versions[-1]
        return next((one for one in self.versions if one.version == version), None)


@dataclass
class Vault:
    """A vault or a Managed HSM.

    Attributes:
        host: its full host name.
        tenant: whose tokens it takes.
        keys: by name.
        secrets: name to versions, the current one last; each a pair of version and value.
        grants: pairs of a principal's client id and a data action, such as
            ``keys/sign/action``; ``*`` is any principal.
        access_policy: refuse in the words of access policies, not of role-based access.
        firewall: refuse everybody.
        challenge: another WWW-Authenticate than its own, where one is set.
    """

    host: str
    tenant: str
    keys: dict[str, Key] = field(default_factory=dict)
    secrets: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    grants: set[tuple[str, str]] = field(default_factory=set)
    access_policy: bool = False
    firewall: bool = False
    challenge: str = ""

    @property
    def resource(self) -> str:
        """The audience of its tokens."""
        return f"https://{self.host.partition('.')[2]}"

    def add(self, name: str, kind: str = "P-256", **attributes: Any) -> KeyVersion:
        """Make a key, or a new version of one.

        Args:
            name: the key's name.
            kind: a curve, ``RSA-2048`` (or another size), ``oct-HSM``.
            attributes: of the `KeyVersion`.
        """
        count = len(self.keys[name].versions) if name in self.keys else 0
        if kind in CURVES:
            key: AnyKey = ec.generate_private_key(CURVES[kind]())
            made = KeyVersion(kty="EC", crv=kind, key=key, **attributes)
        elif kind == "oct-HSM":
            made = KeyVersion(kty=kind, key=secrets.token_bytes(32), **attributes)
        else:
            bits = int(kind.removeprefix("RSA-"))
            key = rsa_key(bits, f"{self.host}/{name}/{count}")
            made = KeyVersion(kty="RSA", key=key, **attributes)
        self.keys.setdefault(name, Key([])).versions.append(made)
        return made

    def key_id(self, name: str, version: str = "") -> str:
        """The versioned identifier of a key; of the current version by default."""
        return f"https://{self.host}/keys/{name}/{version or self.keys[name].versions[-1].version}"


@cache
def rsa_key(bits: int, _name: str) -> rsa.RSAPrivateKey:
    """One RSA key for each name and process: making one can take seconds."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _padding(algorithm: str, hashed: hashes.HashAlgorithm) -> padding.PKCS1v15 | padding.PSS:
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    return padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
