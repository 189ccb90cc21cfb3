"""The clients that the sandbox holds in memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import asdict, dataclass
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING

from etl.sandbox.normal import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EVERY_ID = range(1, 1_000_000)
"""The ids of the clients that exist by default."""

TEXT_FIELDS = ("name", "phone", "email", "address", "notes")
"""The keys of an update; others are ignored. Source: fatora.io/api/updateClient.php."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client as the API has it. Source: fatora.io/api/getClient.php."""

    id: int
    name: str = ""
    phone: str = ""
    email: str = ""
    address: str = ""
    notes: str = ""


class Store:
    """The clients by id: those in ``client_ids`` and ``clients``, or all of ``EVERY_ID``.

    A client of ``client_ids`` has placeholder values until it is first changed, so that a million
    of them cost nothing. ``update`` is what a PUT does. ``put``, ``edit`` and ``remove`` are for
    somebody else, who works in Fatora meanwhile: they store exactly what they are given. All may be
    called by any thread at any time.

    Attributes:
        replaces: An update clears the fields that it leaves out, instead of keeping them. Which of
            these the API itself does is not published.
        normalises: An update stores its values normalised (``etl.sandbox.normal``). Whether the API
            itself does this is not published.
    """

    def __init__(
        self,
        client_ids: Iterable[int] | None = None,
        clients: Iterable[Client] | None = None,
        *,
        replaces: bool = False,
        normalises: bool = False,
    ) -> None:
        self.replaces = replaces
        self.normalises = normalises
        self._changed = {client.id: client for client in clients or ()}
        # In ascending order. Copied from EVERY_ID only when a client is added or removed.
        self._ids: Sequence[int] = (
            EVERY_ID
            if client_ids is None and clients is None
            else sorted({*(client_ids or ()), *self._changed})
        )
        self._lock = Lock()

    @property
    def ids(self) -> Sequence[int]:
        """The ids of all clients as of now, in ascending order."""
        with self._lock:
            return self._ids[:]

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, client_id: int) -> bool:
        with self._lock:
            return self._exists(client_id)

    def get(self, client_id: int) -> Client:
        """Return the client with this id.

        Raises:
            KeyError: it does not exist.
        """
        with self._lock:
            return self._get(client_id)

    def update(self, client_id: int, changes: dict[str, str]) -> Client:
        """Do what a PUT with these fields does, and return the client as it is stored.

        Raises:
            KeyError: the client does not exist.
        """
        given = normalised(changes) if self.normalises else changes
        cleared = dict.fromkeys(TEXT_FIELDS, "") if self.replaces else {}
        return self._change(client_id, cleared | given)

    def edit(self, client_id: int, **changes: str) -> Client:
        """Set these fields as somebody else does, keep the others, and return the client.

        Raises:
            KeyError: the client does not exist.
        """
        return self._change(client_id, changes)

    def put(self, client: Client) -> None:
        """Set a client as a whole as somebody else does; add it if it does not exist."""
        with self._lock:
            if not self._exists(client.id):
                insort(self._editable_ids(), client.id)
            self._changed[client.id] = client

    def remove(self, client_id: int) -> None:
        """Remove a client as somebody else does.

        Raises:
            KeyError: it does not exist.
        """
        with self._lock:
            if not self._exists(client_id):
                raise KeyError(client_id)
            ids = self._editable_ids()
            del ids[bisect_left(ids, client_id)]
            self._changed.pop(client_id, None)

    def page(self, number: int, size: int, *, keyword: str = "", email: str = "") -> list[Client]:
        """Return page ``number``, counted from 1, of the clients in the order of their ids.

        ``keyword`` may be part of any text of a client, ``email`` must be the whole address; case
        does not matter, and an empty one matches every client. A page is counted at the moment of
        its request: a client that is removed moves all later ones forward by one.
        """
        start, stop = (number - 1) * size, number * size
        if not (keyword or email):
            with self._lock:
                ids = self._ids[start:stop]
            return list(self._existing(ids))
        matching = self._matching(keyword.casefold(), email.casefold())
        return list(islice(matching, start, stop))

    def _matching(self, keyword: str, email: str) -> Iterator[Client]:
        for client in self._existing(self.ids):
            if email not in {"", client.email.casefold()}:
                continue
            if keyword in _searchable(client):
                yield client

    def _existing(self, ids: Iterable[int]) -> Iterator[Client]:
        """Yield the clients with these ids, without those that were removed meanwhile."""
        for client_id in ids:
            try:
                yield self.get(client_id)
            except KeyError:
                continue

    def _change(self, client_id: int, changes: dict[str, str]) -> Client:
        # A client is read and stored again under the lock, so that two changes at once both last.
        with self._lock:
            changed = Client(**(asdict(self._get(client_id)) | changes))
            self._changed[client_id] = changed
            return changed

    def _get(self, client_id: int) -> Client:
        if not self._exists(client_id):
            raise KeyError(client_id)
        return self._changed.get(client_id) or _placeholder(client_id)

    def _exists(self, client_id: int) -> bool:
        if isinstance(self._ids, range):
            return client_id in self._ids  # does not look for it: a search through all is quick
        place = bisect_left(self._ids, client_id)
        return place < len(self._ids) and self._ids[place] == client_id

    def _editable_ids(self) -> list[int]:
        if not isinstance(self._ids, list):
            self._ids = list(self._ids)
        return self._ids


def _placeholder(client_id: int) -> Client:
    return Client(
        id=client_id,
        name=f"Client {client_id}",
        phone=f"+974{client_id:08}",
        email=f"client-{client_id}@example.com",
        address="Doha",
        notes=f"Placeholder {client_id}",
    )


def _searchable(client: Client) -> str:
    """Return the texts of a client that a keyword is looked for in, without regard to case."""
    texts = (client.name, client.phone, client.email, client.address, client.notes)
    return "\n".join(texts).casefold()
