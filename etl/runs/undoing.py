"""What a run did to each client, and how it is taken back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from etl.fields import Field
from etl.images import KEYS, changes_between
from etl.rows import Status

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from etl.images import Image

_KEPT_EMAIL = (
    "email: the client had none before, but Fatora takes no update without one, so this one stays"
)
# A client may have several rows. The reading from before its first update counts, and only if it is
# from before that: an earlier session may have sent the row without comparing.
_UPDATED = f"""
WITH sent AS (
    SELECT row, MIN(session) AS session FROM attempts
    WHERE ended IS NULL OR status IN ('{Status.SUCCESS}', '{Status.UNKNOWN}') GROUP BY row
), clients AS (
    SELECT client_id, MIN(sent.row) AS row, MIN(session) AS session, MIN(before) AS before,
        MAX(stored.row) AS stored
    FROM sent JOIN rows ON rows.row = sent.row LEFT JOIN plans ON plans.row = sent.row
    LEFT JOIN stored ON stored.row = sent.row GROUP BY client_id
)
SELECT clients.client_id, body, readings.client, stored.client
FROM clients JOIN rows ON rows.row = clients.row
LEFT JOIN readings ON readings.id = before AND readings.session <= clients.session
LEFT JOIN stored ON stored.row = clients.stored
ORDER BY clients.row
"""


class Reversal(NamedTuple):
    """What gives a client the values back that it had before a run updated it.

    ``body`` is what to send, ``expected`` what the client holds since that run, and ``restored``
    what it will hold afterwards. ``warning`` is what cannot be restored.
    """

    client_id: int
    body: Mapping[str, str]
    expected: Image
    restored: Image
    warning: str = ""


class Updated(NamedTuple):
    """A client that a run updated, or may have updated.

    ``sent`` are the values that the rows of the client say. ``before`` is what it held before, None
    if that is not known; ``after`` is what it held then, None if no answer showed it.
    """

    client_id: int
    sent: Mapping[str, str]
    before: Image | None
    after: Image | None

    def reversal(self, *, whole: bool) -> Reversal | None:
        """Return what takes the update back, None if the values before it are not known.

        It sends the fields that changed, and those that the run had sent, so that an API whose
        updates clear what they leave out keeps them; ``whole`` sends all fields.
        """
        if self.before is None:
            return None
        expected = self.after or {**self.before, **self.sent}
        changed = {change.field for change in changes_between(expected, self.before)}
        keys = [key for key in KEYS if whole or key in changed or key in self.sent]
        body = {key: self.before[key] for key in keys}
        email = self.before[Field.EMAIL] or expected[Field.EMAIL]
        body[Field.EMAIL.value] = email  # the API requires it
        warning = "" if self.before[Field.EMAIL] else _KEPT_EMAIL
        return Reversal(self.client_id, body, expected, {**expected, **body}, warning)


def updated_clients(db: sqlite3.Connection) -> Iterator[Updated]:
    """Yield each client that a run updated, or may have updated, in the order of its rows."""
    for client_id, sent, before, after in db.execute(_UPDATED):
        yield Updated(client_id, json.loads(sent), _image(before), _image(after))


def _image(text: str | None) -> Image | None:
    return json.loads(text) if text else None
