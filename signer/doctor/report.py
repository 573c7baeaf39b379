"""The checks as a table, as JSON, as annotations and as a step summary."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from signer.doctor.check import Check, Status, exit_code
from signer.doctor.examine import Examination
from signer.errors import SignerError
from signer.github.commands import log_line
from signer.github.outputs import write_summary
from signer.github.summary import cell, code, document, prose, table
from signer.log import Log

LOG_WIDTH = 120
"""Of the table in a runner's log, in characters."""


def fields(checks: Sequence[Check]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "checks": [
            {
                "name": check.name,
                "status": check.status.value,
                "detail": check.detail,
                "fix": check.fix,
                **({"code": check.code} if check.code else {}),
            }
            for check in checks
        ],
        "ok": exit_code(checks) == 0,
    }


def lines(checks: Sequence[Check], width: int) -> list[str]:
    """The table as text.

    Args:
        checks: in its order.
        width: of a line, in characters; longer words stay whole.
    """
    names = max(len(check.name) for check in checks)
    statuses = max(len(status) for status in Status)
    margin = " " * (statuses + names + 4)
    found = []
    for check in checks:
        head = f"{check.status:{statuses}}  {check.name:{names}}  "
        texts = check.detail.split("\n")
        if check.fix:
            texts += [f"fix: {line}" for line in check.fix.split("\n")]
        for text in texts:
            # Escaped first, because what is foreign in it must not end a line.
            found += textwrap.wrap(
                log_line(text),
                width,
                initial_indent=head,
                subsequent_indent=margin,
                break_long_words=False,
                break_on_hyphens=False,
            ) or [head.rstrip()]
            head = margin
    counts = Counter(check.status for check in checks)
    return [*found, "", ", ".join(f"{counts[status]} {status}" for status in Status)]


def annotate(checks: Sequence[Check], log: Log) -> None:
    """Say each warning and each failure outright."""
    for check in checks:
        if check.status is Status.FAIL:
            told = SignerError(check.code, f"{check.name}: {check.detail}", fix=check.fix)
            log.error(told)
        elif check.status is Status.WARN:
            log.warning(f"policy audit: {check.name}", f"{check.detail}\nfix: {check.fix}")


def summary(checks: Sequence[Check]) -> str:
    """The step summary, as HTML in Markdown."""
    rows = [
        (
            f"<b>{cell(check.status)}</b>" if check.status is Status.FAIL else cell(check.status),
            code(check.name),
            "<br>".join(map(prose, check.detail.split("\n"))),
            "<br>".join(map(prose, check.fix.split("\n"))),
        )
        for check in checks
    ]
    title = (
        "Policy audit: signing would work"
        if exit_code(checks) == 0
        else "Policy audit: signing would NOT work"
    )
    return document(title, table(("", "Check", "Found", "What to do"), rows))


def publish(examination: Examination, environ: Mapping[str, str], log: Log) -> None:
    """Leave the table in a runner's log, with annotations and a step summary.

    Raises:
        OutputError: the runner's file could not be written.
    """
    checks = examination.checks
    for line in lines(checks, LOG_WIDTH):
        log.info(line)
    annotate(checks, log)
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path and examination.show_summary:
        write_summary(Path(path), summary(checks))
