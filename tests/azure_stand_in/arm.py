"""Azure Resource Manager's discovery: what ``az login`` and ``az cloud register`` ask for."""

from tests.azure_stand_in.answers import Answer, Request


def answer(request: Request, tenant: str) -> Answer:
    """Answer a request to a resource manager's host."""
    if request.path == "/metadata/endpoints":
        login = "https://login.stand-in.example"
        return Answer(
            content=[
                {
                    "name": "stand-in",
                    "resourceManager": f"https://{request.host}/",
                    "authentication": {
                        "loginEndpoint": login,
                        "audiences": [f"https://{request.host}/"],
                        "tenant": "common",
                    },
                    "suffixes": {"keyVaultDns": "vault.stand-in.example"},
                }
            ]
        )
    if request.path == "/tenants":
        return Answer(content={"value": [{"id": f"/tenants/{tenant}", "tenantId": tenant}]})
    if request.path == "/subscriptions":
        return Answer(content={"value": []})
    return Answer(404, {"error": {"code": "NotFound", "message": "not in the stand-in"}})
