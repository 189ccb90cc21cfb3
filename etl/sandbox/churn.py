"""Somebody else who works in Fatora meanwhile: clients come, go and change."""

from __future__ import annotations

import random
from itertools import count, cycle
from typing import TYPE_CHECKING

from etl.sandbox.store import TEXT_FIELDS, Client

if TYPE_CHECKING:
    from etl.sandbox.store import Store

_REMEMBERED = 1000


class Churn:
    """Makes one change with every ``every``-th request about clients.

    In turn, a client is changed in one field, a new one is added, a client is changed, and one is
    removed. It is never the client of the request itself. If possible it is one of the last
    thousand that were asked for: nobody would notice a change to another. The same requests in
    the same order meet the same changes, and another ``seed`` picks other clients and fields.
    """

    def __init__(self, store: Store, every: int, seed: int = 0) -> None:
        self._store = store
        self._every = every
        self._random = random.Random(seed)  # noqa: S311 - nothing secret depends on it
        self._requests = 0
        self._asked_for: dict[int, None] = {}  # the last one was asked for last
        self._deeds = cycle((self._change, self._add, self._change, self._remove))
        self._numbers = count(1)
        self._last_id = 0

    def count(self, client_id: int | None) -> None:
        """Count a request about this client, or about a list, and make a change if one is due."""
        self._requests += 1
        if self._requests % self._every == 0:
            deed = next(self._deeds)
            deed(next(self._numbers), client_id)
        if client_id is not None:
            self._remember(client_id)

    def _remember(self, client_id: int) -> None:
        self._asked_for.pop(client_id, None)
        self._asked_for[client_id] = None
        if len(self._asked_for) > _REMEMBERED:
            del self._asked_for[next(iter(self._asked_for))]

    def _change(self, number: int, spared: int | None) -> None:
        client_id = self._pick(spared)
        if client_id is not None:
            field = self._random.choice(TEXT_FIELDS)
            value = getattr(_values_of_somebody_else(client_id, number), field)
            self._store.edit(client_id, **{field: value})

    def _add(self, number: int, spared: int | None) -> None:
        # An id is never given twice, even if its client was removed.
        self._last_id = max([self._last_id, *self._store.ids[-1:]]) + 1
        if self._last_id == spared:
            self._last_id += 1
        self._store.put(_values_of_somebody_else(self._last_id, number))

    def _remove(self, _number: int, spared: int | None) -> None:
        client_id = self._pick(spared)
        if client_id is not None:
            self._store.remove(client_id)

    def _pick(self, spared: int | None) -> int | None:
        """Return an existing client other than ``spared``; None if there is none."""
        asked_for = [client_id for client_id in self._asked_for if client_id in self._store]
        for ids in (asked_for, self._store.ids):
            for client_id in self._random.sample(ids, min(2, len(ids))):
                if client_id != spared:
                    return client_id
        return None


def _values_of_somebody_else(client_id: int, number: int) -> Client:
    """Return values that no client has before the change with this number."""
    return Client(
        id=client_id,
        name=f"Somebody Else {number}",
        phone=f"+9745{number:07}",
        email=f"somebody-else-{number}@example.com",
        address=f"Al Khor {number}",
        notes=f"Changed by somebody else ({number})",
    )
