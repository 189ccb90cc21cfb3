"""Planning the rows of a run that compares, before the first of them is sent."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from etl.errors import FatoraClientsError
from etl.jobs.guard import why_held_back
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config import Settings
    from etl.images import Image
    from etl.manifest import Manifest
    from etl.rows import PendingRow
    from etl.runs.journal import Journal
    from etl.runs.known import KnownRuns

_LONG_AGO = 1  # seconds since 1970; 0 means that a client was not read at all


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the rows of a run are planned, and what may keep its plan from being sent."""

    manifest: Manifest
    settings: Settings
    known: KnownRuns

    def plan(self, journal: Journal) -> None:
        """Plan every row whose client was read.

        A row that only seems to change its client, since the API stores its values in a way of its
        own, is recognised by what earlier runs sent and what the API made of it.
        """
        journal.plan_rows(self._updates_of)

    def _updates_of(self, clients: list[int]) -> Iterator[tuple[int, Image, Image]]:
        for folder in self.known.earlier_updates(self.manifest):
            with suppress(FatoraClientsError, OSError), JournalReader(folder.journal) as earlier:
                yield from earlier.updates_of(clients)

    def why_held_back(self, journal: Journal) -> str | None:
        """Return why the plan may not be sent, in full sentences, or None."""
        plan = journal.plan(self.manifest.run)
        return why_held_back(plan, self.manifest, self.settings)

    def rows(self, journal: Journal, limit: int | None) -> Iterator[PendingRow]:
        """Yield the planned rows to send, with the stored values that travel along.

        A client that was read before another run of this folder went on is read again, however
        short ago that was: the other run may have updated it.
        """
        newest = self.known.newest_update(self.manifest)
        since = datetime.fromisoformat(newest).timestamp() if newest else 0
        for planned in journal.planned(limit):
            row = planned if planned.read_at > since else replace(planned, read_at=_LONG_AGO)
            yield self._with_stored(row) if self.settings.load.unsent == "resend" else row

    def _with_stored(self, row: PendingRow) -> PendingRow:
        stored = (row.expected or {}).items()
        return replace(
            row, resent={key: value for key, value in stored if value and key not in row.body}
        )
