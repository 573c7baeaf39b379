import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.audit.decisions import Decisions, count_document, count_lines
from signer.audit.formats import AuditFormat, format_for
from signer.audit.reader import read_audit_file
from tests.unit.audit.conftest import Read

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("name", "tool", "counts"),
    [
        ("opa-decisions.jsonl", "OPA", {"allowed": 133, "denied": 267}),
        (
            "conftest.json",
            "Conftest",
            {"passed": 0, "warned": 1, "failed": 1, "excepted": 0, "skipped": 0},
        ),
        ("checkov.sarif", "Checkov", {"error": 25}),
    ],
)
def test_the_examples(name: str, tool: str, counts: dict[str, int]) -> None:
    path = EXAMPLES / name
    audit = read_audit_file(path, format=format_for(path), count_decisions=True)
    assert audit.decisions == Decisions(tool, counts)


def opa(**fields: Any) -> bytes:
    return json.dumps({"decision_id": "1", **fields}).encode()


@pytest.mark.parametrize(
    ("event", "label"),
    [
        (opa(path="authz/allow", result=True), "allowed"),
        (opa(path="authz/allow", result=False), "denied"),
        (opa(path="authz/deny", result=True), "true"),
        (opa(result=False), "false"),
        (opa(result={"allow": False, "reason": "x"}), "denied"),
        (opa(result={"allow": True}), "allowed"),
        (opa(result={"allow": "yes"}), "other"),
        (opa(result=[]), "other"),
        (opa(result=None), "other"),
        (opa(), "undefined"),
    ],
)
def test_opa_results(event: bytes, label: str) -> None:
    assert count_lines([b'{"level": "info"}', event]) == Decisions("OPA", {label: 1})


def test_other_lines_are_not_decisions() -> None:
    assert count_lines([b"{}", b"1", b"[" * 5000, b'{"decision_id": 1}']) is None


def sarif(*results: dict[str, Any], name: str = "x") -> bytes:
    run = {"tool": {"driver": {"name": name}}, "results": results}
    return json.dumps({"runs": [run]}).encode()


def test_sarif_levels_and_kinds() -> None:
    text = sarif(
        {},
        {"level": "note"},
        {"level": "::error::"},
        {"kind": "pass", "level": "none"},
        {"kind": "::error::"},
        {"suppressions": [{"kind": "inSource"}], "level": "error"},
    )
    counts = {"warning": 1, "note": 1, "other": 2, "pass": 1, "suppressed": 1}
    assert count_document(text, AuditFormat.SARIF) == Decisions("SARIF", counts)


def test_checkov_reports() -> None:
    report = {"check_type": "terraform", "summary": {"passed": 1, "failed": 2, "skipped": 3}}
    counts = {"passed": 1, "failed": 2, "skipped": 3}
    one = count_document(json.dumps(report).encode(), AuditFormat.JSON)
    assert one == Decisions("Checkov", counts)
    two = count_document(json.dumps([report, report]).encode(), AuditFormat.JSON)
    assert two == Decisions("Checkov", {label: 2 * count for label, count in counts.items()})


@pytest.mark.parametrize("count", [-1, 2**53, int("9" * 4300)], ids=["-1", "2**53", "huge"])
def test_numbers_that_no_report_has_are_not_counted(count: int) -> None:
    checkov = {"check_type": "terraform", "summary": {"passed": 1, "failed": 2, "skipped": count}}
    conftest = {"filename": "a", "namespace": "b", "successes": count}
    for report in ([checkov] * 9, [conftest] * 9):
        assert count_document(json.dumps(report).encode(), AuditFormat.JSON) is None
    opa_log = [
        opa(result=json.loads("1e999")),
        b'{"decision_id":"1","result":' + b"9" * 9999 + b"}",
    ]
    count_lines(opa_log)


hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("level", "summary", "passed", "failed", "skipped", "check_type", "filename"),
                    "decision_id",
                    "result",
                    "allow",
                    "runs",
                    "results",
                    "tool",
                    "driver",
                    "name",
                    "kind",
                ]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(hostile)
def test_no_shape_raises(value: object) -> None:
    text = json.dumps(value).encode()
    count_lines([text])
    count_document(text, AuditFormat.JSON)
    count_document(text, AuditFormat.SARIF)


def test_counts_of_many_chunks_are_merged(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signer.audit.reader.CHUNK_BYTES", 50)
    content = b"\n".join([opa(path="a/allow", result=n % 3 == 0) for n in range(90)])
    audit = read(content, "jsonl", count_decisions=True)
    assert audit.decisions == Decisions("OPA", {"allowed": 30, "denied": 60})
    assert read(content, "jsonl").decisions is None
