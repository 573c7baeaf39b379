"""What is compiled as Terraform, and a check: known arguments, references that lead somewhere."""

import re
from typing import Any

from signer.gate.compile import aws, aws_terraform, azure, azure_terraform, github_terraform
from signer.gate.policy import SigningPolicy

AWS_KEYS = "arn:aws:kms:eu-central-1:111122223333:"
VAULT = "https://acme-audit.vault.azure.net/keys/"

# From each provider's documentation: required arguments, then optional ones.
ARGUMENTS = {
    "aws_iam_role": ("name assume_role_policy", "max_session_duration"),
    "aws_iam_role_policy": ("name role policy", ""),
    "aws_kms_key_policy": ("key_id policy", "region bypass_policy_lockout_safety_check"),
    "terraform_data": ("input", ""),
    "data.aws_kms_alias": ("name", "region"),
    "azuread_application": ("display_name", ""),
    "azuread_service_principal": ("client_id", ""),
    "azuread_application_federated_identity_credential": (
        "application_id display_name audiences issuer subject", "description",
    ),
    "azuread_application_flexible_federated_identity_credential": (
        "application_id display_name audience issuer claims_matching_expression", "description",
    ),
    "azurerm_role_definition": ("name scope permissions", "description assignable_scopes"),
    "azurerm_role_assignment": ("scope role_definition_id principal_id", "principal_type"),
    "data.azurerm_subscription": ("", ""),
    "data.azurerm_key_vault": ("name resource_group_name", ""),
    "data.github_repository": ("full_name", ""),
    "github_repository_environment": (
        "repository environment", "deployment_branch_policy prevent_self_review dynamic",
    ),
    "github_repository_environment_deployment_policy": (
        "repository environment", "branch_pattern tag_pattern",
    ),
    "github_repository_ruleset": ("repository name target enforcement rules", "conditions"),
    "github_actions_organization_variable": (
        "variable_name value visibility", "selected_repository_ids",
    ),
}  # fmt: skip
META = {"provider", "depends_on", "lifecycle"}
NAMES = ["nightly audit", "${aws_secret.x}", "%{ if true }", 'quote " it', "a b", "A-b!"]


def whole(names: list[str], *, accounts: int = 1) -> SigningPolicy:
    rules = [
        {
            "name": name,
            "runs": {
                "repository": [f"acme{n % accounts}/payments", f"acme{n % accounts}/pay_ments"],
                "repository_id": str(n),
                "ref": ["refs/heads/main", "refs/heads/a_b/**", "refs/heads/a-b/**"],
                "ref_protected": "true",
                "environment": ["production", f"%{{path.{n}}}"],
            }
            if n % 2
            else {
                "repository": f"acme{n % accounts}/payments",
                "repository_id": str(n),
                "ref": "refs/heads/main",
            },
            "may_sign_with": {
                "provider": ["aws_kms_sdk", "azure_kv_sdk"],
                "key": [
                    AWS_KEYS.replace("3333", f"{3333 + n % accounts}") + key
                    for key in ("alias/a-b", "alias/a_b", "key/1")
                ]
                + [f"{VAULT}a", "https://acme.vault.azure.net/keys/audit-a"],
            },
        }
        for n, name in enumerate(names)
    ]
    return SigningPolicy.model_validate({"version": "1", "rules": rules})


def renamed(policy: SigningPolicy, repositories: tuple[str, ...]) -> SigningPolicy:
    """The policy with names that none may have: no text is code, wherever it comes from."""
    rules = tuple(
        rule.model_copy(update={"runs": rule.runs.model_copy(update={"repository": repositories})})
        for rule in policy.rules
    )
    return policy.model_copy(update={"rules": rules})


def documents(policy: SigningPolicy) -> dict[str, dict[str, Any]]:
    made = {
        "aws": aws_terraform.terraform(aws.compile_policy(policy)),
        "github": github_terraform.terraform(policy, "0" * 64),
    }
    if "%" not in str(policy):  # Azure's subjects have none
        made["azure"] = azure_terraform.terraform(azure.compile_policy(policy))
    return made


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def read(text: str) -> str:
    """What Terraform reads in a text without expressions."""
    return text.replace("%%{", "%{").replace("$${", "${")


def check(document: dict[str, Any]) -> None:
    """Hold a document against the table, and follow its references."""
    for block in ("data", "resource", "variable", "output"):
        assert document.get(block, {"x": "y"}), block
        assert all(document.get(block, {}).values()), block  # Terraform: missing block label
    blocks = {**document.get("resource", {})}
    blocks |= {f"data.{kind}": ones for kind, ones in document.get("data", {}).items()}
    there = {f"{kind}.{name}" for kind, ones in blocks.items() for name in ones}
    there |= {f"var.{name}" for name in document.get("variable", {})}
    for kind, ones in blocks.items():
        required, optional = (set(one.split()) for one in ARGUMENTS[kind])
        for name, body in ones.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
            assert required <= set(body), (kind, name)
            assert set(body) <= required | optional | META, (kind, name)
            triggers = body.get("lifecycle", {}).get("replace_triggered_by", [])
            for need in (*body.get("depends_on", ()), *triggers):
                assert need in there
    parts = {name: document.get(name, {}) for name in ("data", "resource", "output")}
    for text in texts(parts):
        for code in re.findall(r"(?<!\$)\$\{(.*?)\}", text):
            found = re.findall(
                r"\b(?:data\.\w+\.\w+|var\.\w+|(?:aws|azure|github)\w*\.\w+|self\.input)", code
            )
            assert found, code
            assert set(found) <= {*there, "self.input"}, code
        assert not re.search(r"(?<!%)%\{", text)
    providers = {kind.removeprefix("data.").split("_")[0] for kind, ones in blocks.items() if ones}
    providers -= {"terraform"}  # built in
    assert providers == set(document["terraform"]["required_providers"])
