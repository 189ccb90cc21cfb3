"""Writing the page of a run, and reading it back."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from etl.codes import Code
from etl.fields import Field
from etl.images import FieldChange
from etl.manifest import Approval, InputFacts, Invocation, Manifest, Plan, Session
from etl.report.charts import Stretch
from etl.report.html import RunReport, write_report
from etl.rows import OF_COMPARING, Fault, ReportRow, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_ENTRIES = frozenset({"entries", "changes-entries"})
NAMES = ("Client ID", "E-mail", "الاسم", "Notes")
COLUMNS = {Field.ID: 0, Field.EMAIL: 1, Field.NAME: 2}
BEGUN, ENDED = "2026-01-05T22:00:00.000+00:00", "2026-01-05T22:00:10.000+00:00"
INVALID = ReportRow(
    row=2,
    cells=("x7", "sara@", "سارة", "VIP"),
    client_id=None,
    status=Status.INVALID,
    faults=(
        Fault(Code.EMAIL_INVALID, "The e-mail address is not valid (column “E-mail”: “sara@”)."),
    ),
    warning="",
    http_status=None,
    attempts=0,
    time="",
    ms=None,
)
REJECTED = replace(
    INVALID,
    row=3,
    cells=("1025", "omar@example.com", "Omar", "two\r\nlines"),
    client_id=1025,
    status=Status.REJECTED,
    faults=(Fault(Code.API_CONFLICT, "Fatora answered HTTP 409: another client has this e-mail."),),
    http_status=409,
    attempts=2,
    time=ENDED,
    ms=51,
)


PLANNED = replace(
    REJECTED,
    row=4,
    cells=("1026", "huda@example.com", "هدى", ""),
    client_id=1026,
    status=Status.NOT_SENT,
    faults=(Fault(Code.PLANNED, "This was only a plan: nothing was sent."),),
    http_status=None,
    changes=(
        FieldChange(Field.PHONE, "+97455551000", "+97455551037"),
        FieldChange(Field.NOTES, "old", ""),
        FieldChange(Field.NAME, "", "هدى"),
    ),
)
PLAN = Plan(
    "5e" * 32,
    1,
    {Field.PHONE: 1, Field.NOTES: 1, Field.NAME: 1},
    emptying=1,
    emptied={Field.NOTES: 1},
)


APPROVAL = Approval("2026-11-28T02:15:00.000+00:00", "mona", "desk", "5e" * 32, "<b>Checked</b>")


def planned_report(
    changes: Sequence[ReportRow] = (PLANNED,),
    left: Sequence[ReportRow] = (INVALID,),
    **facts: Any,  # noqa: ANN401
) -> RunReport:
    """Return the report of a run that was only planned, with these rows that would change."""
    session = session_of()
    session = replace(session, invocation=replace(session.invocation, only_plan=True))
    totals = totals_of([*left, *changes])
    plan = replace(PLAN, rows=len(changes))
    manifest = {
        "compares": True,
        "plan": plan,
        "counts": totals.counts,
        "exit_code": 4,
        "rows": totals.rows,
        "sessions": (session,),
    }
    report = report_of(left, manifest={**manifest, **facts.pop("manifest", {})}, totals=totals)
    fields = {field: (count, PLAN.emptied.get(field, 0)) for field, count in PLAN.fields.items()}
    return replace(
        report,
        **{
            "changes": iter(changes),
            "changed_rows": len(changes),
            "changed_fields": fields,
            **facts,
        },
    )


def session_of(
    begun: str = BEGUN,
    ended: str | None = ENDED,
    user: str = "cron",
    host: str = "vault",
    stopped: str | None = None,
) -> Session:
    """Return a session at these times."""
    first, last = datetime.fromisoformat(begun), datetime.fromisoformat(ended or begun)
    invocation = Invocation("fatora-clients update clients.csv", "API key 0123456789abcdef")
    seconds = (last - first).total_seconds() if ended else None
    return Session(begun, begun, user, host, invocation, ended, seconds, stopped)


def report_of(
    left: Sequence[ReportRow] = (),
    updated: int = 0,
    *,
    input_name: str = "clients.csv",
    manifest: Mapping[str, Any] | None = None,
    **facts: Any,  # noqa: ANN401
) -> RunReport:
    """Return the report of a run with these rows that were not updated, and some that were.

    ``manifest`` has the entries of its manifest that differ from those of an ordinary run.
    """
    totals = totals_of(left, updated)
    recorded = Manifest(
        run="20260105T220000.000Z-abcdef",
        api="https://api.fatora.io/v1",
        input=InputFacts(input_name, 12_345, "5e" * 32),
        rows=totals.rows,
        blank_rows=0,
        hidden_rows=0,
        exit_code=1 if left else 0,
        sessions=(session_of(),),
        settings={"load.workers": {"value": 8, "from": "default"}},
        program="fatora-clients 0.1.0",
    )
    report = RunReport(
        manifest=replace(recorded, **(manifest or {})),
        sheet=None,
        totals=totals,
        sentence="Some rows were not updated." if left else "All rows were updated.",
        codes=Counter(code for row in left for code in {fault.code for fault in row.faults}),
        seconds=10.0,
        earlier=0,
        stretches=(Stretch(BEGUN, ENDED, 10.0, [{Status.SUCCESS: 4}, {}, {Status.FAILED: 1}]),),
        durations=[(12, 3), (51, 1), (1_200, 1)],
        attempts={0: 1, 1: 3, 2: 1},
        names=NAMES,
        columns=COLUMNS,
        not_updated=iter(left),
        results="results.csv",
        rework="rework.csv" if left else None,
    )
    return replace(report, **facts)


def totals_of(left: Sequence[ReportRow] = (), updated: int = 0, **changes: Any) -> Totals:  # noqa: ANN401
    """Return the totals of a run with these rows that were not updated, and some that were."""
    usual = [status for status in Status if status not in OF_COMPARING]
    counts = dict.fromkeys(usual, 0) | Counter(row.status for row in left)
    counts[Status.SUCCESS] = updated
    sent = {field: NAMES[index] for field, index in COLUMNS.items()}
    totals = Totals(updated + len(left), counts=counts, sent=sent, not_sent=["Notes"])
    return replace(totals, **changes)


@dataclass
class Page(HTMLParser):
    """A parsed page: its elements with their attributes, and its text.

    ``sources`` are the texts of the style, the script, and the rows that the script shows.
    """

    source: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._inside = ""
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        self.elements.append((tag, dict(attrs)))
        name = dict(attrs).get("id") or ""
        self._inside = name if name in _ENTRIES else tag

    def handle_data(self, data: str) -> None:
        """Record text, keeping style, script and rows separate."""
        if self._inside in {"style", "script", *_ENTRIES}:
            self.sources[self._inside] = self.sources.get(self._inside, "") + data
        elif data.strip():
            self.texts.append(" ".join(data.split()))

    def handle_endtag(self, tag: str) -> None:
        """End the style or a script."""
        if tag in {"style", "script"}:
            self._inside = ""

    def tags(self, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of this name."""
        return [attributes for tag, attributes in self.elements if tag == name]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The rows that the script shows."""
        entries: list[dict[str, Any]] = json.loads(self.sources["entries"])
        return entries

    @property
    def changes(self) -> list[dict[str, Any]]:
        """The changed rows that the script shows."""
        changes: list[dict[str, Any]] = json.loads(self.sources["changes-entries"])
        return changes

    @property
    def text(self) -> str:
        """All of the text, each piece on a line."""
        return "\n".join(self.texts)


def page_of(path: Path, report: RunReport) -> Page:
    """Write a report and read it."""
    write_report(path, report)
    return Page(path.read_text(encoding="utf-8"))
