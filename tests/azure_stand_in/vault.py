"""Key Vault's data plane, and Managed HSM's: keys and secrets.

Source: Azure Key Vault REST API reference, 2025-07-01 (``GET /keys/NAME/VERSION``, ``sign``,
``verify``, ``GET /keys/NAME/rotationpolicy``, ``GET /deletedkeys/NAME``,
``GET /secrets/NAME/VERSION``) and "Authentication, requests and responses".
"""

import json
import time
from typing import Any

from tests.azure_stand_in.answers import Answer, RefusedError, Request
from tests.azure_stand_in.entra import Entra
from tests.azure_stand_in.keys import HASHES, Key, KeyVersion, Vault
from tests.azure_stand_in.tokens import TokenError, decode, encode

_RECOVERABLE = {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}


def answer(request: Request, vault: Vault, entra: Entra) -> Answer:
    """Answer a request to a vault's host.

    Raises:
        RefusedError: with the service's own form of the error.
    """
    caller = _authenticate(request, vault, entra)
    kind, name, *rest = [*request.path.strip("/").split("/"), ""]
    parts = [part for part in rest if part]
    if kind == "secrets" and request.method == "GET":
        _authorize(vault, caller, "secrets/getSecret/action", "secrets get")
        return _secret(vault, name, parts[0] if parts else "")
    if kind == "deletedkeys" and request.method == "GET":
        _authorize(vault, caller, "keys/read", "keys get")
        return _deleted_key(vault, name)
    if kind == "keys" and request.method == "GET" and parts == ["rotationpolicy"]:
        _authorize(vault, caller, "keyrotationpolicies/read", "keys getrotationpolicy")
        return _rotation_policy(vault, name)
    operation = parts.pop() if parts and parts[-1] in ("sign", "verify") else ""
    version = parts[0] if parts else ""
    if kind == "keys" and request.method == "GET" and not operation:
        _authorize(vault, caller, "keys/read", "keys get")
        return describe_key(vault, name, _find(vault, name, version))
    if kind == "keys" and request.method == "POST" and operation:
        _authorize(vault, caller, f"keys/{operation}/action", f"keys {operation}")
        return _operate(request, vault, name, _find(vault, name, version), operation)
    raise refused(404, "NotFound", "The stand-in has no such operation.")


def refused(status: int, code: str, message: str, inner: str = "", **headers: str) -> RefusedError:
    """An error as the service gives it."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner:
        error["innererror"] = {"code": inner}
    return RefusedError(Answer(status, {"error": error}, headers))


def _authenticate(request: Request, vault: Vault, entra: Entra) -> dict[str, str]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    login = f'Bearer authorization="https://{_login_host(vault)}/{vault.tenant}"'
    challenge = {"WWW-Authenticate": vault.challenge or f'{login}, resource="{vault.resource}"'}
    if scheme != "Bearer":
        text = "AKV10000: Request is missing a Bearer or PoP token."
        raise refused(401, "Unauthorized", text, **challenge)
    try:
        claims = entra.caller(token, vault.resource)
    except TokenError as error:
        text = f"AKV10022: Invalid token ({error})."
        raise refused(401, "Unauthorized", text, **challenge) from error
    if claims["tid"] != vault.tenant:
        text = f"AKV10032: Invalid issuer. Expected {vault.tenant}, found {claims['iss']}."
        raise refused(401, "Unauthorized", text, **challenge)
    return claims


def _login_host(vault: Vault) -> str:
    public = vault.host.endswith((".vault.azure.net", ".managedhsm.azure.net"))
    return "login.microsoftonline.com" if public else "login.stand-in.example"


def _authorize(vault: Vault, caller: dict[str, str], action: str, permission: str) -> None:
    who = f"appid={caller['appid']};oid={caller['oid']};iss={caller['iss']}"
    name = f"{vault.host.partition('.')[0]};location=westeurope"
    if vault.firewall:
        raise refused(
            403,
            "Forbidden",
            "Client address is not authorized and caller is not a trusted service.\r\n"
            f"Client address: 192.0.2.7\r\nCaller: {who}\r\nVault: {name}",
            "ForbiddenByFirewall",
        )
    if {(caller["appid"], action), ("*", action)} & vault.grants:
        return
    if vault.access_policy:
        raise refused(
            403,
            "Forbidden",
            f"The user, group or application '{who}' does not have {permission} permission on key "
            f"vault '{name}'.",
            "ForbiddenByPolicy",
        )
    raise refused(
        403,
        "Forbidden",
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny "
        "assignments or role definitions were changed recently, please observe propagation time."
        f"\r\nCaller: {who}\r\nAction: 'Microsoft.KeyVault/vaults/{action}'\r\nVault: {name}",
        "ForbiddenByRbac",
    )


def _find(vault: Vault, name: str, version: str) -> KeyVersion:
    key = vault.keys.get(name)
    found = key.find(version) if key and not key.deleted else None
    if found is None:
        raise refused(
            404,
            "KeyNotFound",
            f"A key with (name/id) {name}{'/' if version else ''}{version} was not found in this "
            "key vault. If you recently deleted this key you may be able to recover it using the "
            "correct recovery command.",
        )
    return found


def describe_key(vault: Vault, name: str, version: KeyVersion) -> Answer:
    """A key as ``GetKey`` answers it."""
    attributes = {
        "enabled": version.enabled,
        "nbf": version.nbf,
        "exp": version.exp,
        "created": version.created,
        "updated": version.created,
        **_RECOVERABLE,
    }
    known = {member: value for member, value in attributes.items() if value is not None}
    jwk = {"kid": vault.key_id(name, version.version), **version.jwk()}
    return Answer(content={"key": jwk, "attributes": known, "tags": {}})


def _rotation_policy(vault: Vault, name: str) -> Answer:
    """As ``GetKeyRotationPolicy`` answers it: a key that was given none has the default one."""
    _find(vault, name, "")
    notify = {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}
    actions = [notify]
    if rotates := vault.keys[name].rotates_after:
        actions.append({"trigger": {"timeAfterCreate": rotates}, "action": {"type": "Rotate"}})
    identifier = f"https://{vault.host}/keys/{name}/rotationpolicy"
    return Answer(content={"id": identifier, "lifetimeActions": actions, "attributes": {}})


def _deleted_key(vault: Vault, name: str) -> Answer:
    key: Key | None = vault.keys.get(name)
    if key is None or not key.deleted:
        raise refused(404, "KeyNotFound", f"Deleted Key not found: {name}")
    content = describe_key(vault, name, key.versions[-1]).content
    deleted = int(time.time()) - 60
    return Answer(
        content={
            **content,
            "recoveryId": f"https://{vault.host}/deletedkeys/{name}",
            "deletedDate": deleted,
            "scheduledPurgeDate": deleted + 90 * 86_400,
        }
    )


def _secret(vault: Vault, name: str, version: str) -> Answer:
    versions = vault.secrets.get(name, [])
    chosen = [pair for pair in versions if version in ("", pair[0])]
    if not chosen:
        text = f"A secret with (name/id) {name} was not found in this key vault."
        raise refused(404, "SecretNotFound", text)
    number, value = chosen[-1]
    identifier = f"https://{vault.host}/secrets/{name}/{number}"
    return Answer(content={"value": value, "id": identifier, "attributes": {"enabled": True}})


def _operate(
    request: Request, vault: Vault, name: str, version: KeyVersion, operation: str
) -> Answer:
    asked = json.loads(request.body)
    algorithm = asked["alg"]
    digest = decode(asked["value" if operation == "sign" else "digest"])
    if operation == "sign":
        _check_may_sign(version)
    if operation not in version.key_ops:
        text = f"Operation {operation} is not permitted on this key."
        raise refused(403, "Forbidden", text, "KeyOperationForbidden")
    if algorithm not in version.algorithms():
        text = f"Key and signing algorithm are incompatible. Key is {version.kty} {version.crv}."
        raise refused(400, "BadParameter", text)
    size = HASHES[algorithm[2:5]].digest_size
    if len(digest) != size and not algorithm.startswith("HS"):
        raise refused(
            400,
            "BadParameter",
            f"Invalid length of 'value': {len(digest)} bytes. {algorithm} requires {size} bytes, "
            "encoded with base64url.",
        )
    if operation == "verify":
        valid = version.verify(algorithm, digest, decode(asked["value"]))
        return Answer(content={"value": valid})
    signature = version.sign(algorithm, digest)
    return Answer(content={"kid": vault.key_id(name, version.version), "value": encode(signature)})


def _check_may_sign(version: KeyVersion) -> None:
    now = time.time()
    if not version.enabled:
        text = "Operation sign is not allowed on a disabled key."
        raise refused(403, "Forbidden", text, "KeyDisabled")
    if version.nbf is not None and now < version.nbf:
        text = "Operation sign is not allowed on a key that is not yet valid."
        raise refused(403, "Forbidden", text)
    if version.exp is not None and now >= version.exp:
        text = "Operation sign is not allowed on an expired key."
        raise refused(403, "Forbidden", text)
