"""What an audit decided, counted for the summary of the step; never signed.

An unknown shape gives None, and a hostile one too: nothing here raises, and no label or name
comes from the file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct

from signer.audit.formats import AuditFormat


@dataclass(frozen=True, slots=True)
class Decisions:
    """How often each thing was decided.

    Attributes:
        tool: ``OPA``, ``Conftest``, ``Checkov`` or ``SARIF`` (any other tool that writes it).
        counts: from a label, such as ``allowed`` or ``failed``, to how often it was decided.
    """

    tool: str
    counts: Mapping[str, int]

    def merged(self, other: "Decisions | None") -> "Decisions":
        """Both counts together; ``other`` is of the same tool."""
        if other is None:
            return self
        return Decisions(self.tool, dict(Counter(self.counts) + Counter(other.counts)))


# A file may claim any number; these are the ones that every reader of JSON has exactly (RFC 7493,
# section 2.2), so that no sum of them is too long to be written.
_Count = Annotated[int, Meta(ge=0, lt=2**53)]


class _OpaDecision(Struct):
    """An entry of OPA's decision log (OPA's documentation, "Decision Logs")."""

    decision_id: str
    path: str = ""
    result: Any = UNSET


class _ConftestFile(Struct):
    filename: str
    namespace: str
    successes: _Count
    warnings: list[Raw] | None = None
    failures: list[Raw] | None = None
    exceptions: list[Raw] | None = None
    skipped: list[Raw] | None = None


class _CheckovSummary(Struct):
    passed: _Count
    failed: _Count
    skipped: _Count


class _CheckovReport(Struct):
    check_type: str
    summary: _CheckovSummary


class _SarifDriver(Struct):
    name: str = ""


class _SarifTool(Struct):
    driver: _SarifDriver


class _SarifResult(Struct):
    kind: str = "fail"
    level: str = "warning"
    suppressions: list[Raw] | None = None


class _SarifRun(Struct):
    tool: _SarifTool
    results: list[_SarifResult] | None = None


class _SarifLog(Struct):
    runs: list[_SarifRun]


# What decoding another shape, or a hostile one, may raise.
_NOT_THAT = (ValueError, ArithmeticError, RecursionError, MemoryError)

_OPA = msgspec.json.Decoder(_OpaDecision)
_SARIF_LEVELS = frozenset({"none", "note", "warning", "error"})
_SARIF_KINDS = frozenset({"pass", "open", "informational", "notApplicable", "review"})


def count_lines(events: Iterable[bytes]) -> Decisions | None:
    """Count the entries of an OPA decision log among JSON Lines; None if there are none."""
    counts: Counter[str] = Counter()
    for event in events:
        try:
            entry = _OPA.decode(event)
        except _NOT_THAT:
            continue  # OPA's own log lines stand between the decisions
        counts[_opa_label(entry)] += 1
    return Decisions("OPA", dict(counts)) if counts else None


def count_document(text: bytes, audit_format: AuditFormat) -> Decisions | None:
    """Count what a JSON or SARIF document decided; None where it is not known."""
    if audit_format is AuditFormat.SARIF:
        return _count_sarif(text)
    return _count_conftest(text) or _count_checkov(text)


def _opa_label(entry: _OpaDecision) -> str:
    result = entry.result
    if isinstance(result, dict):
        result = result.get("allow")
        allows = True
    else:
        # Only a rule of that name says that true allows: the result of "deny" is the reverse.
        allows = entry.path.endswith(("/allow", "/allowed"))
    if result is True:
        return "allowed" if allows else "true"
    if result is False:
        return "denied" if allows else "false"
    return "undefined" if result is UNSET else "other"


def _decode(text: bytes, kind: Any) -> Any:
    """The text as that type; None where it is something else."""
    try:
        return msgspec.json.decode(text, type=kind)
    except _NOT_THAT:
        return None


def _count_conftest(text: bytes) -> Decisions | None:
    files: list[_ConftestFile] | None = _decode(text, list[_ConftestFile])
    if not files:
        return None
    counts: Counter[str] = Counter()
    for file in files:
        counts["passed"] += file.successes
        counts["warned"] += len(file.warnings or ())
        counts["failed"] += len(file.failures or ())
        counts["excepted"] += len(file.exceptions or ())
        counts["skipped"] += len(file.skipped or ())
    return Decisions("Conftest", dict(counts))


def _count_checkov(text: bytes) -> Decisions | None:
    reports = _decode(text, _CheckovReport | list[_CheckovReport])
    if isinstance(reports, _CheckovReport):
        reports = [reports]
    if not reports:
        return None
    counts: Counter[str] = Counter()
    for report in reports:
        for label in ("passed", "failed", "skipped"):
            counts[label] += getattr(report.summary, label)
    return Decisions("Checkov", dict(counts))


def _count_sarif(text: bytes) -> Decisions | None:
    log: _SarifLog | None = _decode(text, _SarifLog)
    if log is None:
        return None
    counts = Counter(_sarif_label(result) for run in log.runs for result in run.results or ())
    names = {run.tool.driver.name for run in log.runs}
    return Decisions("Checkov" if names == {"Checkov"} else "SARIF", dict(counts))


def _sarif_label(result: _SarifResult) -> str:
    """SARIF 2.1.0, sections 3.27.9 (kind), 3.27.10 (level) and 3.27.23 (suppressions)."""
    if result.suppressions:
        return "suppressed"
    if result.kind != "fail":
        return result.kind if result.kind in _SARIF_KINDS else "other"
    return result.level if result.level in _SARIF_LEVELS else "other"
