"""``python -m tests.azure_stand_in FOLDER``: run until standard input ends.

Prints one line of JSON: the environment of a job, and the settings to sign with.
"""

import json
import sys
from pathlib import Path

from tests.azure_stand_in import running


def main() -> None:
    """A vault ``acme-audit`` with the key ``policy``, and an application that may sign."""
    with running(Path(sys.argv[1])) as azure:
        vault = azure.add_vault("acme-audit")
        vault.add("policy")
        application = azure.entra.register()
        vault.grants |= {
            (application.client_id, action) for action in ("keys/read", "keys/sign/action")
        }
        settings = {
            "azure-kv-name": "acme-audit",
            "azure-kv-key": "policy",
            "azure-tenant-id": azure.entra.tenant,
            "azure-client-id": application.client_id,
        }
        environ = {**azure.environment(), **azure.job()}
        secret = {"AZURE_CLIENT_SECRET": application.secret}
        print(json.dumps({"settings": settings, "environ": environ, "secret": secret}), flush=True)
        sys.stdin.read()


main()
