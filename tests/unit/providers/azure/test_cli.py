"""What is made of ``az``'s standard error, and what it is given."""

from pathlib import Path

import pytest

from signer.errors import ProviderError
from signer.providers.azure import cli
from signer.providers.azure.failures import RefusedError, UnconnectedError
from signer.providers.azure.names import Reference
from signer.providers.command_line import Commands, Finished
from tests.unit.providers.azure.support import Said

KEY = Reference("https://acme.vault.azure.net", "keys", "policy", "0" * 32)
DENIED = """
ERROR: (Forbidden) Caller is not authorized to perform action on resource.
Caller: appid=1
Code: Forbidden
Message: Caller is not authorized to perform action on resource.
Caller: appid=1
Inner error: {
    "code": "ForbiddenByRbac"
}
"""


def test_a_service_error_is_taken_apart() -> None:
    error = cli.failure("sign", DENIED)
    assert isinstance(error, RefusedError)
    assert (error.code, error.inner) == ("Forbidden", "ForbiddenByRbac")
    assert error.message.endswith("Caller: appid=1")


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: ('Connection aborted.', RemoteDisconnected('Remote end closed connection'))",
        "ERROR: HTTPSConnectionPool(host='x', port=443): Max retries exceeded",
        "ERROR: ('Unable to connect to proxy', OSError('Tunnel connection failed: 502'))",
    ],
)
def test_a_broken_connection_is_told_from_a_refusal(text: str) -> None:
    assert isinstance(cli.failure("sign", text), UnconnectedError)


def test_anything_else_is_quoted_without_tokens() -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"
    error = cli.failure("sign", f"ERROR: unrecognized arguments: {token}")
    assert isinstance(error, ProviderError)
    assert error.code == "azure-cli-failed"
    assert token not in error.message


def test_the_environment_of_az_has_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []
    words: list[list[str]] = []

    def run(
        _: object, arguments: list[str], environ: dict[str, str], *, timeout: float
    ) -> Finished:
        assert 0 < timeout <= 2
        seen.append(environ)
        words.append(arguments)
        return Finished(0, b'{"keyId": "https://x", "signature": "AAAA"}', "")

    monkeypatch.setattr(Commands, "run", run)
    (tmp_path / "azureProfile.json").write_text("{}")
    program = tmp_path / "az"
    program.write_text("")
    program.chmod(0o755)
    environ = {
        "AZ_CLI": str(program),
        "AZURE_CONFIG_DIR": str(tmp_path),
        "AZURE_CLIENT_SECRET": "S3cr3t",
        "POLICY_SIGNING_KEY": "S3cr3t",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "S3cr3t",
        "GITHUB_TOKEN": "S3cr3t",
        "HTTPS_PROXY": "http://proxy",
        "AZURE_AUTHORITY_HOST": "https://login.stack.example",
    }
    calls = cli.CliCalls(Said().access(environ))
    assert calls.sign(KEY, "ES256", bytes(32)) == ("https://x", "AAAA")
    assert "S3cr3t" not in seen[0].values()
    assert seen[0]["HTTPS_PROXY"] == "http://proxy"
    assert seen[0]["AZURE_CORE_INSTANCE_DISCOVERY"] == "false"
    assert f"{'A' * 43}=" in words[0]
    assert words[0][words[0].index("--id") + 1] == KEY.identifier
