"""The steps for GitHub let no ref into an environment that the gate would not, where it can say so.

The evaluator follows the REST API's "Deployment branch policies" and Ruby's File.fnmatch with
FNM_PATHNAME: ``*`` is any text without ``/``, ``**/`` any number of directories; none of them
begins with a full stop. Left out: reviewers, wait timers, custom protection rules.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signer.errors import UsageError
from signer.gate.compile import github_terraform
from signer.gate.compile.github import compile_policy
from signer.gate.compile.github_text import as_text
from signer.gate.compile.protection import patterns_of
from signer.gate.globs import matches
from signer.gate.policy import SigningPolicy, load

DIGEST = "0123456789abcdef" * 4
RUNS: dict[str, Any] = {
    "repository": "acme/payments",
    "repository_id": "123",
    "ref": "refs/heads/main",
    "ref_protected": "true",
    "environment": "production",
}


def policy(*runs: dict[str, Any], **whole: Any) -> SigningPolicy:
    rules = [
        {"name": f"rule {n}", "runs": one, "may_sign_with": {"provider": "kms"}}
        for n, one in enumerate(runs)
    ]
    return SigningPolicy.model_validate({"version": "1", "rules": rules, **whole})


def steps(*runs: dict[str, Any]) -> list[tuple[str, str, Any]]:
    compiled = compile_policy(policy(*runs), DIGEST)
    return [(one["method"], one["path"], one["body"]) for one in compiled["steps"]]


def lets_in(done: list[tuple[str, str, Any]], ref: str) -> bool:
    """Whether the environment takes a run of this ref, once the steps are done."""
    limit = next(body["deployment_branch_policy"] for method, _, body in done if method == "PUT")
    if limit is None:
        return True
    assert limit == {"protected_branches": False, "custom_branch_policies": True}
    return any(
        ref.startswith(start) and _fnmatch(body["name"], ref.removeprefix(start))
        for _, path, body in done
        if path.endswith("/deployment-branch-policies")
        for start in [{"branch": "refs/heads/", "tag": "refs/tags/"}[body["type"]]]
    )


def _fnmatch(pattern: str, name: str) -> bool:
    part = r"(?!\.)[^/]*"
    forms = {"**/": rf"(?:{part}/)*", "*": part, "?": "[^/]"}
    tokens = re.findall(r"(?:(?<=/)|^)\*\*/|\*|.", pattern)
    expression = "".join(forms.get(token) or re.escape(token) for token in tokens)
    return re.fullmatch(expression, name) is not None


SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", "main"]), min_size=1, max_size=4)
REFS = st.builds(
    lambda start, parts: start + "/".join(parts),
    st.sampled_from(["refs/heads/", "refs/tags/"]),
    SEGMENTS,
)
PATTERNS = st.one_of(
    st.sampled_from(["**", "refs/**"]),
    st.builds(
        lambda start, parts: start + "/".join(parts),
        st.sampled_from(["refs/heads/", "refs/tags/"]),
        st.lists(st.sampled_from(["a", "*", "a*", "**", "a**", "main"]), min_size=1, max_size=3),
    ),
)


@settings(max_examples=500)
@given(st.lists(PATTERNS, min_size=1, max_size=2), REFS)
def test_the_gate_and_the_environment_agree_on_refs(refs: list[str], ref: str) -> None:
    runs = {**RUNS, "ref": refs}
    let = lets_in(steps(runs), ref)
    said = [pattern for pattern in refs if patterns_of(pattern)]
    assert let == any(matches(pattern, ref) for pattern in said)
    left = compile_policy(policy(runs), DIGEST)["not-expressed"]
    for pattern in set(refs) - set(said):
        assert any(f"ref {pattern}:" in line for line in left)


@pytest.mark.parametrize(
    "pattern", ["refs/heads/rel**", "refs/**/x", "refs/heads/a?", "refs/pull/**"]
)
def test_what_no_pattern_says_lets_nothing_in(pattern: str) -> None:
    done = steps({**RUNS, "ref": pattern})
    for ref in ("refs/heads/rel/x", "refs/heads/a1", "refs/heads/x", "refs/pull/1/merge"):
        assert not lets_in(done, ref)


def test_the_steps_of_a_rule() -> None:
    done = steps({**RUNS, "environment": "pro/duction"})
    path = "/repos/acme/payments/environments/pro%2Fduction"
    limit = {"protected_branches": False, "custom_branch_policies": True}
    assert done[0] == ("PUT", path, {"deployment_branch_policy": limit})
    assert done[1] == (
        "POST",
        f"{path}/deployment-branch-policies",
        {"name": "main", "type": "branch"},
    )
    assert done[2][2]["reviewers"] == [{"type": "Team", "id": "ID of the team"}]
    assert done[2][2]["deployment_branch_policy"] == limit
    method, path, body = done[3]
    assert (method, path) == ("POST", "/repos/acme/payments/rulesets")
    assert body["conditions"]["ref_name"]["include"] == ["refs/heads/main"]
    assert body["enforcement"] == "active"
    assert body["target"] == "branch"
    assert [one["type"] for one in body["rules"]] == [
        "deletion",
        "non_fast_forward",
        "pull_request",
    ]
    assert body["rules"][2]["parameters"]["required_approving_review_count"] == 1
    assert done[4][1] == "/orgs/acme/actions/variables"
    assert done[4][2]["value"] == DIGEST
    text = as_text(compile_policy(policy(RUNS), DIGEST))
    assert "PATCH and /orgs/acme/actions/variables/POLICY_SIGNING_POLICY_SHA256;" in text
    assert done[4][2]["selected_repository_ids"] == [123]
    assert done[5][1] == "/repos/acme/payments/actions/oidc/customization/sub"
    assert len(done) == 6


def test_a_tag_is_neither_moved_nor_deleted() -> None:
    [body] = [
        body
        for _, path, body in steps({**RUNS, "ref": "refs/tags/v1"})
        if path.endswith("/rulesets")
    ]
    assert (body["target"], body["conditions"]["ref_name"]["include"]) == ("tag", ["refs/tags/v1"])
    assert [one["type"] for one in body["rules"]] == ["deletion", "non_fast_forward", "update"]


def test_a_rule_for_protected_refs_of_any_name() -> None:
    runs = {name: value for name, value in RUNS.items() if name != "ref"}
    limit = steps(runs)[0][2]["deployment_branch_policy"]
    assert limit == {"protected_branches": True, "custom_branch_policies": False}
    del runs["ref_protected"]
    assert steps(runs)[0][2]["deployment_branch_policy"] is None
    # Protected by a rule that no pattern can say: never all protected branches.
    assert not lets_in(steps({**RUNS, "ref": "refs/heads/rel**"}), "refs/heads/rel")


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ({"ref": None}, "GitHub lets every branch in"),
        ({}, None),
        ({"ref": None, "ref_protected": None}, None),
    ],
)
def test_protected_branches_only_is_listed(runs: dict[str, Any], said: str | None) -> None:
    """GitHub lets all in where a repository has no branch protection rule."""
    lines = compile_policy(policy({**RUNS, **runs}), DIGEST)["not-expressed"]
    told = [line for line in lines if line.startswith("rule 0: the environment production of")]
    assert [said in line for line in told] == ([True] if said else [])


def test_a_rule_for_protected_refs_beside_one_with_refs_is_listed() -> None:
    rules = policy(RUNS, {**RUNS, "ref": None})
    assert any("rule 1: the environment production of acme/payments takes the refs of other" in line
               for line in compile_policy(rules, DIGEST)["not-expressed"])  # fmt: skip


def test_names_that_differ_in_case_are_one_environment() -> None:
    """Else a later step would open what an earlier one had limited."""
    rules = policy(
        RUNS,
        {"repository": "Acme/payments", "environment": "Production", "ref": "refs/heads/next"},
    )
    compiled = compile_policy(rules, DIGEST)
    paths = [one["path"] for one in compiled["steps"]]
    assert not [path for path in paths if "Acme" in path or "Production" in path]
    assert paths.count("/repos/acme/payments/environments/production") == 2  # one is optional
    assert paths.count("/orgs/acme/actions/variables") == 1
    assert paths.count("/repos/acme/payments/rulesets") == 1
    assert any("is named by rule 0, rule 1" in line for line in compiled["not-expressed"])
    for ref, let in (("refs/heads/main", True), ("refs/heads/next", True), ("refs/heads/x", False)):
        done = [(one["method"], one["path"], one["body"]) for one in compiled["steps"]]
        assert lets_in(done, ref) is let
    made = github_terraform.terraform(rules, DIGEST)
    assert len(made["resource"]["github_repository_environment"]) == 1
    assert len(made["data"]["github_repository"]) == 1


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ({"environment": "prod**"}, True),
        ({"environment": "Prod**"}, True),
        ({"environment": "production", "repository": "ACME/**"}, True),
        ({"environment": "prod**", "repository": None}, True),
        ({"environment": "prod**", "repository_id": "5"}, False),
        ({"environment": "prod**", "repository": "acme/other"}, False),
        ({"environment": "stage**"}, False),
        ({"environment": None}, False),
    ],
)
def test_environments_that_can_be_the_same_are_listed(other: dict[str, Any], shared: bool) -> None:
    lines = compile_policy(policy(RUNS, {**RUNS, "ref": None, **other}), DIGEST)["not-expressed"]
    assert any("can be one of rule 1" in line for line in lines) is shared


@pytest.mark.parametrize("name", [".", ".."])
def test_an_environment_that_a_path_takes_for_a_folder_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="folder") as caught:
        compile_policy(policy({**RUNS, "environment": name}), DIGEST)
    assert caught.value.code == "policy-not-compilable"


def test_what_github_cannot_express_is_listed() -> None:
    lines = compile_policy(
        policy(
            {**RUNS, "actor": "ann"},
            {"repository": "acme/payments", "ref_protected": "true"},
            {"repository": ["acme/payments", "acme/**"], "environment": "prod**"},
            {"repository_id": "5", "environment": "production"},
            {**RUNS, "ref": "refs/heads/x", "ref_protected": "false"},
        ),
        DIGEST,
    )["not-expressed"]
    for words in (
        "rule 0: repository_id must be 123",
        "rule 0: actor must be ann",
        "rule 1: names no environment",
        "rule 1: ref_protected must be true",
        "rule 2: repository is 'acme/**'",
        "rule 2: environment is 'prod**'",
        "rule 3: names no repository",
        "rule 4: ref_protected must be false",
        "the environment production is named by rule 0, rule 4",
        "rule 0: its environment can be one of rule 2",
        "rule 2: its environment can be one of rule 3, rule 4",
    ):
        assert [line for line in lines if words in line], words


def test_the_largest_id_is_pinned() -> None:
    largest = "9" * 20
    done = steps({**RUNS, "repository_id": largest})
    assert done[4][2]["selected_repository_ids"] == [int(largest)]


def test_what_cannot_be_compiled() -> None:
    with pytest.raises(UsageError, match="proves nothing"):
        compile_policy(policy({"repository": "acme/a"}, identity="environment"), DIGEST)
    # Subjects with ids are github.com's alone.
    compiled = compile_policy(policy(RUNS, issuer="https://github.example"), DIGEST)
    assert not [one for one in compiled["steps"] if "oidc" in one["path"]]


def test_the_text_runs_as_the_steps_say_and_as_nothing_else(tmp_path: Path) -> None:
    runs = {**RUNS, "environment": "it's $(touch evil)"}
    rules = policy(runs).model_dump(mode="json", exclude_none=True)
    rules["rules"][0]["name"] = "x; touch evil # `touch evil` $(touch evil)"
    compiled = compile_policy(SigningPolicy.model_validate(rules), DIGEST)
    for one in compiled["steps"]:  # a name that no policy may have
        one["path"] = one["path"].replace("acme/payments", "acme/$(touch${IFS}evil)")
    fake = tmp_path / "gh"
    fake.write_text('#!/bin/sh\nprintf "%s %s " "$3" "$4" >> calls; cat >> calls\n')
    fake.chmod(0o755)
    script = tmp_path / "steps.sh"
    script.write_text(as_text(compiled))
    subprocess.run(
        ["sh", "-e", str(script)],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
    )
    assert not (tmp_path / "evil").exists()
    calls = [line.split(" ", 2) for line in (tmp_path / "calls").read_text().splitlines()]
    assert [(method, path, json.loads(body)) for method, path, body in calls] == [
        (one["method"], one["path"], one["body"])
        for one in compiled["steps"]
        if not one["optional"]
    ]


def test_optional_steps_are_comments_and_ids_are_numbers_to_fill_in() -> None:
    runs = {**RUNS, "repository_id": None}
    compiled = compile_policy(policy(runs, {**runs, "repository": "acme/other"}), DIGEST)
    optional = [one["path"] for one in compiled["steps"] if one["optional"]]
    assert [path.split("/")[-2:] for path in optional] == [
        ["environments", "production"], ["environments", "production"],
        ["customization", "sub"], ["customization", "sub"],
    ]  # fmt: skip
    lines = as_text(compiled).splitlines()
    for path in set(optional) - {one["path"] for one in compiled["steps"] if not one["optional"]}:
        assert all(line.startswith("# ") for line in lines if path in line)
    [reviewers, _] = [line for line in lines if '"reviewers"' in line]
    assert reviewers.startswith("# {")
    # No quotes that would stay round the number: until then it is no JSON, which GitHub refuses.
    assert '"id": ID of the team}' in reviewers
    [pin] = [line for line in lines if line.startswith('{"name": "POLICY')]
    assert pin.endswith('"selected_repository_ids": [ID of acme/payments, ID of acme/other]}')
    [told] = [line for line in lines if "pin the policy" in line]
    for name in ("payments", "other"):
        assert f"ID of acme/{name}, a number: `gh api /repos/acme/{name} --jq .id`" in told
    known = as_text(compile_policy(policy(RUNS), DIGEST))
    assert "gh api /repos/acme/payments --jq .id" not in known  # the rule says it


@pytest.mark.parametrize("repository", ["acme/**", ["Acme/pay*", "acme/one"]])
def test_a_pattern_of_an_organizations_repositories_is_pinned_for_all_of_them(
    repository: str | list[str],
) -> None:
    rules = policy({"repository": repository})
    compiled = compile_policy(rules, DIGEST)
    owner = "acme" if isinstance(repository, str) else "Acme"
    [pin] = [one for one in compiled["steps"] if not one["optional"]]
    assert (pin["method"], pin["path"]) == ("POST", f"/orgs/{owner}/actions/variables")
    name = "POLICY_SIGNING_POLICY_SHA256"
    assert pin["body"] == {"name": name, "value": DIGEST, "visibility": "all"}
    assert not any("ORGANIZATION" in line for line in compiled["not-expressed"])
    made = github_terraform.terraform(rules, DIGEST)["resource"]
    [variable] = made["github_actions_organization_variable"].values()
    assert variable == {"variable_name": name, "value": DIGEST, "visibility": "all"}


@pytest.mark.parametrize(
    "runs",
    [{"repository_id": "5"}, {"repository": "**", "repository_id": "5"},
     {"job_workflow_ref": "acme/ci/.github/workflows/sign.yml@refs/heads/main",
      "repository_owner_id": "7"}],
)  # fmt: skip
def test_an_organization_that_no_rule_names_is_to_fill_in(runs: dict[str, Any]) -> None:
    compiled = compile_policy(policy(runs), DIGEST)
    [pin] = compiled["steps"]
    assert pin["path"] == "/orgs/ORGANIZATION/actions/variables"
    assert pin["body"]["visibility"] == "all"
    assert pin["rules"] == ["rule 0"]
    told = "the policy: no rule names the owner of its repositories exactly"
    assert [line for line in compiled["not-expressed"] if line.startswith(told)]
    made = github_terraform.terraform(policy(runs), DIGEST)["resource"]
    assert len(made["github_actions_organization_variable"]) == 1


def test_the_sample_policy_is_compiled() -> None:
    example = Path(__file__).parents[3] / "examples" / "signing-policy.yml"
    file = load(example)
    [step] = compile_policy(file.policy, file.sha256)["steps"]
    assert step["path"] == "/orgs/OWNER/actions/variables"
    assert step["body"]["value"] == file.sha256
