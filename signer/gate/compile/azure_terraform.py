"""What is compiled for Azure as Terraform: applications, their credentials, roles, assignments.

Sources: the documentation of ``hashicorp/azuread`` 3.7 (``azuread_application``,
``azuread_service_principal``, ``azuread_application_federated_identity_credential``,
``azuread_application_flexible_federated_identity_credential``) and of ``hashicorp/azurerm`` 4
(``azurerm_role_definition``, ``azurerm_role_assignment``, ``azurerm_key_vault``).
"""

from typing import Any

from signer.gate.compile.terraform import document, label, labels, literal

_PROVIDERS = {
    "azuread": {"source": "hashicorp/azuread", "version": ">= 3.7"},
    "azurerm": {"source": "hashicorp/azurerm", "version": ">= 4.0"},
}
_PLAIN = "azuread_application_federated_identity_credential"
_FLEXIBLE = "azuread_application_flexible_federated_identity_credential"
_SUBSCRIPTION = "${data.azurerm_subscription.current.id}"


def terraform(compiled: dict[str, Any]) -> dict[str, Any]:
    """The same in Terraform's JSON syntax.

    The variable ``vault_resource_groups`` gives the resource group of each vault, which no key's
    identifier names.

    Args:
        compiled: what `signer.gate.compile.azure.compile_policy` gives.
    """
    roles = compiled["roles"]
    vaults = labels(one["vault"] for role in roles for one in role["role-assignments"])
    resources: dict[str, dict[str, Any]] = {}
    for role in roles:
        for kind, name, body in _resources(role):
            resources.setdefault(kind, {})[name] = body
    resources["azurerm_role_assignment"] = _assignments(roles, vaults)
    outputs = {
        f"{label(role['name'])}_client_id": {
            "value": f"${{azuread_application.{label(role['name'])}.client_id}}"
        }
        for role in roles
    }
    data = {
        name: {
            "name": vault,
            "resource_group_name": f'${{var.vault_resource_groups["{vault}"]}}',
        }
        for vault, name in vaults.items()
    }
    return document(
        _PROVIDERS,
        {
            "variable": {
                "vault_resource_groups": {
                    "type": "map(string)",
                    "description": "The resource group of each vault, by the vault's name: "
                    + ", ".join(vaults),
                }
            }
            if vaults
            else {},
            "data": {"azurerm_subscription": {"current": {}}, "azurerm_key_vault": data},
            "resource": resources,
            "output": outputs,
        },
        not_expressed=compiled["not-expressed"],
    )


def _resources(role: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    name = label(role["name"])
    definition = role["role-definition"]
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("azuread_application", name, {"display_name": role["name"]}),
        (
            "azuread_service_principal",
            name,
            {"client_id": f"${{azuread_application.{name}.client_id}}"},
        ),
        (
            "azurerm_role_definition",
            name,
            {
                "name": role["name"],
                "description": literal(definition["Description"]),
                "scope": _SUBSCRIPTION,
                "assignable_scopes": [_SUBSCRIPTION],
                "permissions": {"data_actions": definition["DataActions"]},
            },
        ),
    ]
    return found + [_credential(name, one) for one in role["federated-credentials"]]


def _assignments(roles: list[dict[str, Any]], vaults: dict[str, str]) -> dict[str, Any]:
    found = {}
    for role in roles:
        name = label(role["name"])
        for one in role["role-assignments"]:
            found[f"{name} {one['vault']} {one['key']}"] = {
                "scope": f"${{data.azurerm_key_vault.{vaults[one['vault']]}.id}}/keys/{one['key']}",
                "role_definition_id": f"${{azurerm_role_definition.{name}"
                ".role_definition_resource_id}",
                "principal_id": f"${{azuread_service_principal.{name}.object_id}}",
                "principal_type": "ServicePrincipal",
            }
    return {label_: found[name] for name, label_ in labels(found).items()}


def _credential(application: str, body: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    common = {
        "application_id": f"${{azuread_application.{application}.id}}",
        "display_name": body["name"],
        "description": literal(body["description"]),
        "issuer": literal(body["issuer"]),
    }
    name = label(f"{application}_{body['name']}")
    if "subject" in body:
        plain = {"audiences": body["audiences"], "subject": literal(body["subject"])}
        return _PLAIN, name, {**common, **plain}
    [audience] = body["audiences"]
    expression = literal(body["claimsMatchingExpression"]["value"])
    flexible = {"audience": audience, "claims_matching_expression": expression}
    return _FLEXIBLE, name, {**common, **flexible}
