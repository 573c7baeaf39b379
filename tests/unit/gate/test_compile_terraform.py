"""Terraform's JSON: known arguments only, references that lead somewhere, no text that is code."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from signer.gate.compile import (
    aws,
    aws_terraform,
    azure,
    azure_terraform,
    github,
    github_terraform,
    terraform,
)
from signer.gate.policy import SigningPolicy
from tests.unit.gate.terraform_files import (
    AWS_KEYS,
    NAMES,
    VAULT,
    check,
    documents,
    read,
    renamed,
    whole,
)


@pytest.mark.parametrize("accounts", [1, 2])
def test_known_arguments_and_references(accounts: int) -> None:
    made = documents(whole(NAMES, accounts=accounts))
    made["azure"] = azure_terraform.terraform(azure.compile_policy(whole(NAMES[:1])))
    for document in made.values():
        check(json.loads(json.dumps(document)))
    aliases = made["aws"]["terraform"]["required_providers"]["aws"].get("configuration_aliases")
    wanted = ["aws.x_111122223333", "aws.x_111122223334"] if accounts == 2 else None
    assert aliases == wanted
    for kind, ones in made["aws"]["resource"].items():
        for name, body in ones.items():
            several = accounts == 2 and kind != "terraform_data"
            assert ("provider" in body) is several, (kind, name)


@pytest.mark.parametrize(
    "runs",
    [
        {},
        {"environment": "production"},
        {"ref": "refs/heads/main"},
        {"ref": "refs/heads/main", "ref_protected": "true"},
        {"environment": "production", "ref": "refs/heads/main"},
    ],
)
@pytest.mark.parametrize(
    "keys", [[f"{AWS_KEYS}key/1", "https://acme.managedhsm.azure.net/keys/a"],
             [f"{AWS_KEYS}alias/a", f"{VAULT}a"]]
)  # fmt: skip
def test_no_type_is_without_a_resource(runs: dict[str, Any], keys: list[str]) -> None:
    rule = {
        "name": "one",
        "runs": {"repository": "acme/a", "repository_id": "1", **runs},
        "may_sign_with": {"provider": ["aws_kms", "azure_kv"], "key": keys},
    }
    policy = SigningPolicy.model_validate({"version": "1", "rules": [rule]})
    for document in documents(policy).values():
        check(document)


def test_no_resource_hides_another() -> None:
    made = documents(whole(["one", "two"]))
    resources = made["aws"]["resource"]
    assert len(resources["aws_kms_key_policy"]) == 3
    assert len(made["aws"]["data"]["aws_kms_alias"]) == 2
    refs = made["github"]["resource"]["github_repository_environment_deployment_policy"]
    assert len(refs) == 2 * 2 * 3
    assert len(made["github"]["resource"]["github_repository_environment"]) == 4
    rules = [
        {"name": name, "runs": {"repository": "acme/a", "repository_id": "1"},
         "may_sign_with": {"provider": "azure_kv", "key": keys}}
        for name, keys in (
            ("a", [f"{VAULT}a-b", "https://acme-audit-a.vault.azure.net/keys/b"]),
            ("a b", [f"{VAULT}b", f"{VAULT}B-"]),
        )
    ]  # fmt: skip
    policy = SigningPolicy.model_validate({"version": "1", "rules": rules})
    made["azure"] = azure_terraform.terraform(azure.compile_policy(policy))
    check(made["azure"])
    assert len(made["azure"]["resource"]["azurerm_role_assignment"]) == 4


def test_a_keys_policy_has_its_administrators_and_every_rule() -> None:
    policy = whole(["one", "two"])
    compiled = aws.compile_policy(policy)
    resources = aws_terraform.terraform(compiled)["resource"]
    roles = zip(
        compiled["roles"],
        resources["aws_iam_role"].items(),
        resources["aws_iam_role_policy"].items(),
        strict=True,
    )
    for role, (name, body), (its, permissions) in roles:
        assert json.loads(read(body["assume_role_policy"])) == role["trust-policy"]
        assert json.loads(read(permissions["policy"])) == role["permissions-policy"]
        assert permissions["role"] == f"${{aws_iam_role.{name}.id}}"
        assert (its, body["name"]) == (name, role["name"])
    for body in resources["aws_kms_key_policy"].values():
        assert set(body["depends_on"]) == {
            "terraform_data.every_key",
            *(f"aws_iam_role.{one}" for one in resources["aws_iam_role"]),
        }
        made = body["policy"].replace("${jsonencode(var.key_administrators)}", '["admin"]')
        first, *others = json.loads(made)["Statement"]
        assert first["Principal"] == {"AWS": ["admin"]}
        assert not {"kms:Sign", "kms:*", "kms:CreateGrant"} & set(first["Action"])
        assert others in [
            [
                statement
                for role in compiled["roles"]
                for one in role["key-policies"]
                if one["key"] == key
                for statement in one["statements"]
            ]
            for key in {one["key"] for role in compiled["roles"] for one in role["key-policies"]}
        ]


def test_an_application_has_its_role_on_its_keys_only() -> None:
    compiled = azure.compile_policy(whole(["one"]))
    made = azure_terraform.terraform(compiled)
    resources = made["resource"]
    [role] = compiled["roles"]
    [(name, definition)] = resources["azurerm_role_definition"].items()
    assert definition["permissions"] == {"data_actions": role["role-definition"]["DataActions"]}
    vaults = {
        f"${{data.azurerm_key_vault.{label}.id}}": body["name"]
        for label, body in made["data"]["azurerm_key_vault"].items()
    }
    found = [
        one["scope"].partition("/keys/") for one in resources["azurerm_role_assignment"].values()
    ]
    assert [(vaults[vault], key) for vault, _, key in found] == [
        (one["vault"], one["key"]) for one in role["role-assignments"]
    ]
    for one in resources["azurerm_role_assignment"].values():
        assert one["role_definition_id"] == (
            f"${{azurerm_role_definition.{name}.role_definition_resource_id}}"
        )
        assert one["principal_id"] == f"${{azuread_service_principal.{name}.object_id}}"
    written = [
        {
            "name": one["display_name"],
            "description": read(one["description"]),
            "issuer": one["issuer"],
            "audiences": one.get("audiences") or [one["audience"]],
            "says": read(one.get("subject") or one["claims_matching_expression"]),
        }
        for kind in resources
        if kind.endswith("federated_identity_credential")
        for one in resources[kind].values()
    ]
    compiled_ones = [
        {
            "name": one["name"],
            "description": one["description"],
            "issuer": one["issuer"],
            "audiences": one["audiences"],
            "says": one.get("subject") or one["claimsMatchingExpression"]["value"],
        }
        for one in role["federated-credentials"]
    ]
    assert sorted(written, key=str) == sorted(compiled_ones, key=str)


def test_rulesets_are_those_of_the_steps() -> None:
    policy = whole(["one", "two"])
    wanted = [
        one["body"]
        for one in github.compile_policy(policy, "0" * 64)["steps"]
        if one["path"].endswith("/rulesets")
    ]
    made = github_terraform.terraform(policy, "0" * 64)["resource"]["github_repository_ruleset"]
    assert [
        {
            "name": one["name"],
            "target": one["target"],
            "enforcement": one["enforcement"],
            "conditions": one["conditions"],
            "rules": [
                {"type": kind} if parameters is True else {"type": kind, "parameters": parameters}
                for kind, parameters in one["rules"].items()
            ],
        }
        for one in made.values()
    ] == wanted


def test_an_alias_that_is_pointed_at_another_key_gives_that_key_the_policy() -> None:
    """A change of key_id alone writes nothing; what is read is the bare id of the key."""
    document = aws_terraform.terraform(aws.compile_policy(whole(["one"])))
    assert document["terraform"]["required_version"] == ">= 1.4"
    resources = document["resource"]
    found = {}
    for body in resources["aws_kms_key_policy"].values():
        triggers = body.get("lifecycle", {}).get("replace_triggered_by", [])
        inputs = [resources["terraform_data"][one.partition(".")[2]]["input"] for one in triggers]
        found[body["key_id"]] = inputs
        # Else deleting it opens the key to the account.
        assert body["bypass_policy_lockout_safety_check"] is True
    assert found.pop("1") == []
    assert len(found) == 2
    for key_id, inputs in found.items():
        assert re.fullmatch(r"\$\{data\.aws_kms_alias\.\w+\.target_key_id\}", key_id)
        assert inputs == [key_id]
    validation = document["variable"]["key_administrators"]["validation"]
    assert validation["condition"].startswith("${length(var.key_administrators) > 0 && ")


def test_no_key_gets_its_policy_twice() -> None:
    """The plan fails where an id and an alias, or two aliases, mean one key."""
    resources = aws_terraform.terraform(aws.compile_policy(whole(["one"])))["resource"]
    [every] = [one for one in resources["terraform_data"].values() if "lifecycle" in one]
    policies = resources["aws_kms_key_policy"].values()
    assert every["input"] == [f"111122223333 {one['region']} {one['key_id']}" for one in policies]
    condition = every["lifecycle"]["postcondition"]["condition"]
    assert condition == "${length(distinct(self.input)) == length(self.input)}"
    for one in policies:
        assert "terraform_data.every_key" in one["depends_on"]


def test_what_is_not_expressed_stands_at_the_head() -> None:
    for document in documents(whole(["one", "two"])).values():
        assert any("dangerous runs" in line or "names no environment" in line
                   for line in document["//"])  # fmt: skip


PART = st.text(alphabet="${%}aA-_.", min_size=1, max_size=6)
REPOSITORIES = st.lists(
    st.builds("{}/{}".format, PART, PART), min_size=1, max_size=3, unique=True
).map(tuple)


@given(REPOSITORIES)
def test_no_name_of_a_repository_is_code_or_hides_another(repositories: tuple[str, ...]) -> None:
    made = github_terraform.terraform(renamed(whole(["one", "two"]), repositories), "0" * 64)
    check(json.loads(json.dumps(made)))
    data, resources = made["data"]["github_repository"], made["resource"]
    full = [one["full_name"].replace("$${", "${").replace("%%{", "%{") for one in data.values()]
    # Names on GitHub have no case: the first spelling stands for all.
    once = {one.casefold(): one for one in reversed(repositories)}
    assert [one.casefold() for one in full] == list(dict.fromkeys(map(str.casefold, repositories)))
    owners = {one.partition("/")[0].casefold() for one in repositories}
    pins = resources["github_actions_organization_variable"]
    assert len(pins) == len(owners)
    places = [one["provider"] for one in pins.values() if "provider" in one]
    assert len(set(places)) == len(places) == (len(owners) if len(owners) > 1 else 0)
    aliases = made["terraform"]["required_providers"]["github"].get("configuration_aliases", [])
    assert sorted(aliases) == sorted(places)
    pinned = [one for pin in pins.values() for one in pin["selected_repository_ids"]]
    assert sorted(pinned) == sorted(f"${{data.github_repository.{name}.repo_id}}" for name in data)
    names = {one.partition("/")[2] for one in once.values()}
    for kind in ("github_repository_environment", "github_repository_ruleset"):
        its = {one["repository"] for one in resources[kind].values()}
        assert {one.replace("$${", "${").replace("%%{", "%{") for one in its} == names


def test_names_of_repositories_that_would_be_code() -> None:
    evil = 'acme/${file(base64decode("L2V0Yy9ob3N0bmFtZQ=="))}'
    check(github_terraform.terraform(renamed(whole(["one", "two"]), (evil,)), "0" * 64))
    check(azure_terraform.terraform(azure.compile_policy(renamed(whole(["one"]), (evil,)))))
    with pytest.raises(ValidationError, match="no repository looks like"):
        documents(SigningPolicy.model_validate(renamed(whole(["one"]), (evil,)).model_dump()))


def test_owners_of_like_names_have_a_pin_each() -> None:
    made = github_terraform.terraform(renamed(whole(["one"]), ("a-b/x", "a_b/x")), "0" * 64)
    check(made)
    pins = made["resource"]["github_actions_organization_variable"]
    assert len({one["provider"] for one in pins.values()}) == 2
    assert len(made["terraform"]["required_providers"]["github"]["configuration_aliases"]) == 2


@pytest.mark.parametrize("other", ["acme/x", "Acme/X", "acme/y"])
def test_an_owner_has_one_pin_however_it_is_spelled(other: str) -> None:
    rules = renamed(whole(["one", "two"]), ("Acme/x", other))
    made = github_terraform.terraform(rules, "0" * 64)
    check(made)
    [pin] = made["resource"]["github_actions_organization_variable"].values()
    assert "provider" not in pin
    assert len(pin["selected_repository_ids"]) == (2 if other == "acme/y" else 1)


@given(st.text(alphabet="${%}a\n"))
def test_text_is_never_code(text: str) -> None:
    escaped = terraform.literal({"x": [text]})["x"][0]
    unescaped = escaped.replace("$${", "\0{").replace("%%{", "\1{")
    assert "${" not in unescaped
    assert "%{" not in unescaped
    assert unescaped.replace("\0", "$").replace("\1", "%") == text


@given(st.lists(st.text(alphabet="aA_- 12"), unique=True))
def test_labels_are_never_shared(names: list[str]) -> None:
    labels = terraform.labels(names)
    assert list(labels) == names
    assert len(set(labels.values())) == len(names)
