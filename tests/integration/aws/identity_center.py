"""IAM Identity Center, which moto has not: a cached login becomes credentials of a role.

Sources: IAM Identity Center Portal API reference, ``GetRoleCredentials``; IAM Identity Center OIDC
API reference, ``CreateToken``; AWS SDKs and Tools reference, "IAM Identity Center credential
provider", for the profile and the cache.
"""

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

START_URL = "https://example.awsapps.com/start"
SESSION = "example"
FRESH = "the-access-token-of-a-fresh-login"
RENEWED = "the-access-token-that-was-renewed"
REFRESH = "the-refresh-token-of-the-login"
ACCESS_KEY = "ASIAIDENTITYCENTER"

_HOUR = timedelta(hours=1)


def answer(path: str, token: str, body: bytes) -> dict[str, Any] | None:
    """What the service answers at a path; None where the path is not its own.

    Args:
        path: of the request.
        token: the bearer token of its header.
        body: JSON.
    """
    if path == "/federation/credentials" and token in (FRESH, RENEWED):
        given = {"accessKeyId": ACCESS_KEY, "secretAccessKey": "secret-part", "sessionToken": "t"}
        expires = round((time.time() + _HOUR.total_seconds()) * 1000)
        return {"roleCredentials": {**given, "expiration": expires}}
    if path == "/token" and json.loads(body).get("refreshToken") == REFRESH:
        return {"accessToken": RENEWED, "expiresIn": 3600, "tokenType": "Bearer"}
    return None


def log_in(home: Path, region: str, *, expired: bool) -> None:
    """Leave in a home what ``aws sso login`` leaves there, and a profile ``sso`` that uses it.

    Args:
        home: the home directory.
        region: that of Identity Center.
        expired: whether the access token is too old, and must be renewed with the refresh token.
    """
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    now = datetime.now(UTC)
    login = {
        "startUrl": START_URL,
        "region": region,
        "accessToken": "an-access-token-that-is-too-old" if expired else FRESH,
        "expiresAt": _text(now - _HOUR if expired else now + _HOUR),
        "clientId": "client",
        "clientSecret": "client-secret",
        "registrationExpiresAt": _text(now + _HOUR),
        "refreshToken": REFRESH,
    }
    name = hashlib.sha1(SESSION.encode(), usedforsecurity=False).hexdigest()
    (cache / f"{name}.json").write_text(json.dumps(login))
    (home / ".aws" / "config").write_text(
        f"[profile sso]\nsso_session = {SESSION}\nsso_account_id = 123456789012\n"
        f"sso_role_name = policy-audit\n[sso-session {SESSION}]\nsso_start_url = {START_URL}\n"
        f"sso_region = {region}\nsso_registration_scopes = sso:account:access\n"
    )


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
