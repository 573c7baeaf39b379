"""Signing ``az`` in, in a private configuration directory: the user's own login stays as it is.

Secrets go through files in that directory (``@FILE``), never through arguments.
Source: Azure CLI reference, ``az login``; "Azure CLI configuration", "Use multiple clouds".
"""

import configparser
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from signer.providers.azure.access import Access, Way, not_signed_in, sign_in_failed
from signer.providers.azure.failures import UnconnectedError, is_unconnected, one_line

_CLOUD = "policy-audit-signer"
_CARRIED = ("config", "clouds.config")

Run = Callable[[Sequence[str]], tuple[int, bytes, str]]
"""How ``az`` is run with arguments: its exit code, output and standard error come back."""


def sign_in(access: Access, folder: Path, run: Run, *, reason: str) -> None:
    """Sign in with what is set up for it: this job's OIDC token, a secret, a certificate.

    Args:
        access: who signs in.
        folder: the private configuration directory, which is empty.
        run: runs ``az`` with that directory.
        reason: what ``az`` said when it was found not to be signed in.

    Raises:
        ProviderError: ``azure-not-signed-in``, ``azure-assertion-rejected``,
            ``azure-sign-in-failed``, ``oidc-failed``.
        UnconnectedError: Entra was not reached.
    """
    choice = access.choose()
    if choice.way is Way.MANAGED and not choice.client:
        # Without a client id nothing says that there is one, and asking for it takes a minute.
        raise not_signed_in(choice, f"azure-client-id does not name one; az says: {reason}")
    _carry_cloud(access, folder)
    assertion = access.assertion() if choice.way is Way.FEDERATED else ""
    words = ["login", "--service-principal", "--username", choice.client]
    words += ["--tenant", choice.tenant, "--skip-subscription-discovery"]
    environ = access.host.environ
    if choice.way is Way.FEDERATED:
        words.append(f"--federated-token=@{_private(folder, 'assertion', assertion)}")
    elif choice.way is Way.SECRET:
        # With "=", because a secret may begin with "-", and az reads the file before its options.
        words.append(f"--password=@{_private(folder, 'secret', environ['AZURE_CLIENT_SECRET'])}")
    elif choice.way is Way.CERTIFICATE:
        words += ["--certificate", environ["AZURE_CLIENT_CERTIFICATE_PATH"]]
    elif choice.way is Way.WORKLOAD:
        words.append(f"--federated-token=@{environ['AZURE_FEDERATED_TOKEN_FILE']}")
    else:
        words = ["login", "--identity", "--client-id", choice.client, "--allow-no-subscriptions"]
    code, _, stderr = run(words)
    if code != 0 and is_unconnected(stderr):
        raise UnconnectedError(one_line(stderr.replace("ERROR: ", "")))
    if code != 0:
        raise sign_in_failed(choice, stderr.replace("ERROR: ", ""), assertion)
    access.host.notify(f"signed in to Azure with {choice.name}, for az, until the end of this job")


def config_directory(environ: Mapping[str, str]) -> Path:
    """Where the user's own ``az`` keeps its configuration and its login."""
    said = environ.get("AZURE_CONFIG_DIR") or Path(environ.get("HOME", "~"), ".azure")
    return Path(said).expanduser()


def _private(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def _carry_cloud(access: Access, folder: Path) -> None:
    """Take over the active cloud; where none is set, that of ``AZURE_AUTHORITY_HOST``."""
    environ = access.host.environ
    home = config_directory(environ)
    for name in _CARRIED:
        if (home / name).is_file():
            shutil.copyfile(home / name, folder / name)
    config = configparser.ConfigParser(interpolation=None)
    config.read(folder / "config", encoding="utf-8")
    if config.has_option("cloud", "name") or not environ.get("AZURE_AUTHORITY_HOST"):
        return
    config["cloud"] = {"name": access.cloud.name or _CLOUD}
    _write(config, folder / "config")
    if access.cloud.name is None:
        clouds = configparser.ConfigParser(interpolation=None)
        clouds.read(folder / "clouds.config", encoding="utf-8")
        authority = access.cloud.authority
        domain = urlsplit(authority).netloc.partition(".")[2]
        clouds[_CLOUD] = {
            "endpoint_active_directory": authority,
            "endpoint_active_directory_resource_id": f"https://management.{domain}/",
            "endpoint_management": f"https://management.{domain}/",
            "endpoint_resource_manager": f"https://management.{domain}/",
            "suffix_keyvault_dns": f".vault.{domain}",
        }
        _write(clouds, folder / "clouds.config")


def _write(config: configparser.ConfigParser, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        config.write(file)
