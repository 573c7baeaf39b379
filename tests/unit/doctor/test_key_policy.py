"""Who else may sign, by a key policy: AWS's own forms, and what nobody should have written."""

import json
from pathlib import Path
from typing import Any

import pytest

from signer.doctor.key_policy import role_of, who_else

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/policy-audit"
OTHER = f"arn:aws:iam::{ACCOUNT}:role/other"
FOREIGN = "arn:aws:iam::444455556666:root"
FOREIGN_ROLE = "arn:aws:iam::444455556666:role/policy-audit"
USER = f"arn:aws:iam::{ACCOUNT}:user/policy-audit"
ANYBODY = "everybody in every AWS account"


def _policy(**changes: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "kms:Sign", **changes}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"Principal": {"AWS": ROOT}, "Action": "kms:*"}, []),
        ({"Principal": {"AWS": ACCOUNT}}, []),
        ({"Principal": {"AWS": [ROLE, OTHER]}}, [OTHER]),
        ({"Principal": {"AWS": [FOREIGN, OTHER, OTHER]}}, [FOREIGN, OTHER]),
        ({"Principal": {"AWS": "444455556666"}}, ["444455556666"]),
        ({"Principal": {"AWS": f"{ROLE}-evil"}}, [f"{ROLE}-evil"]),
        ({"Principal": {"AWS": FOREIGN_ROLE}}, [FOREIGN_ROLE]),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a/path/policy-audit"}}, []),
        ({"Principal": {"AWS": USER}}, [USER]),
        ({"Principal": "*"}, [ANYBODY]),
        ({"Principal": {"AWS": "*"}, "Action": ["kms:Describe*", "kms:*"]}, [ANYBODY]),
        ({"Principal": "*", "Condition": {}}, [ANYBODY]),
        ({"Principal": "*", "Condition": {"StringEquals": {"kms:CallerAccount": ACCOUNT}}}, []),
        ({"Principal": {"Service": "logs.amazonaws.com"}}, ["logs.amazonaws.com"]),
        ({"Principal": "*", "Action": "kms:GetPublicKey"}, []),
        ({"Principal": "*", "Action": "kms:S*"}, [ANYBODY]),
        ({"Principal": "*", "Action": "KMS:sign"}, [ANYBODY]),
        ({"Principal": "*", "Action": "kms:Sig?"}, [ANYBODY]),
        ({"Principal": "*", "Action": "kms:[S]ign"}, []),
        ({"Principal": "*", "Action": "kms:SignFor"}, []),
        ({"Principal": "*", "Effect": "Deny"}, []),
        ({"NotPrincipal": {"AWS": OTHER}, "Principal": None}, [f"everybody but {OTHER}"]),
    ],
)  # fmt: skip
def test_who_else_may_sign(changes: dict[str, Any], found: list[str]) -> None:
    assert who_else(_policy(**changes), "kms:Sign", ACCOUNT, ROLE) == found


def test_not_action_allows_what_it_leaves_out() -> None:
    policy = _policy(Principal="*", NotAction=["kms:Put*"])
    del policy["Statement"][0]["Action"]
    assert who_else(policy, "kms:Sign", ACCOUNT, ROLE) == [ANYBODY]
    policy["Statement"][0]["NotAction"].append("kms:S*")
    assert who_else(policy, "kms:Sign", ACCOUNT, ROLE) == []


def test_one_statement_needs_no_list_and_each_kind_of_key_has_its_action() -> None:
    policy = {"Statement": _policy(Principal="*", Action="kms:GenerateMac")["Statement"][0]}
    assert who_else(policy, "kms:GenerateMac", ACCOUNT, ROLE) == [ANYBODY]
    assert who_else(policy, "kms:Sign", ACCOUNT, ROLE) == []


def test_the_documented_key_policy_is_narrow() -> None:
    text = (Path(__file__).parents[3] / "docs" / "aws.md").read_text()
    policy = json.loads(text.split("<!-- policy: key -->\n```json\n")[1].split("```")[0])
    assert who_else(policy, "kms:Sign", ACCOUNT, ROLE) == []
    assert who_else(policy, "kms:Sign", ACCOUNT, OTHER) == [ROLE]


@pytest.mark.parametrize("policy", [{"Statement": ["x"]}, {"Statement": "x"}])
def test_what_is_no_policy_is_said_to_be_none(policy: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no object"):
        who_else(policy, "kms:Sign", ACCOUNT, ROLE)


def test_a_session_is_known_by_its_role() -> None:
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/policy-audit/acme-1"
    assert role_of(session) == ROLE
    assert role_of(ROLE) == ROLE
    assert role_of(session.replace("aws:", "aws-us-gov:")) == ROLE.replace("aws:", "aws-us-gov:")
