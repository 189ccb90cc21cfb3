"""The clients that the sandbox holds in memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

EVERY_ID = range(1, 1_000_000)
"""The ids of the clients that exist by default."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client as the API has it. Source: fatora.io/api/getClient.php."""

    id: int
    name: str
    phone: str
    email: str
    address: str
    notes: str


class Store:
    """The clients by id: those in ``client_ids``, or all of ``EVERY_ID`` for None.

    A client has placeholder values until its first update, so that a million of them cost nothing.
    Clients are neither added nor removed, and a client is replaced as a whole: other threads may
    read meanwhile.
    """

    def __init__(self, client_ids: Iterable[int] | None = None) -> None:
        self._ids: Collection[int] = (
            EVERY_ID if client_ids is None else dict.fromkeys(sorted(client_ids))
        )
        self._updated: dict[int, Client] = {}

    def get(self, client_id: int) -> Client:
        """Return the client with this id.

        Raises:
            KeyError: it does not exist.
        """
        if client_id not in self._ids:
            raise KeyError(client_id)
        return self._updated.get(client_id) or _placeholder(client_id)

    def update(self, client_id: int, changes: dict[str, str]) -> Client:
        """Set the fields in ``changes``, keep the others, and return the client.

        Whether the API itself keeps a field that an update leaves out is not published.

        Raises:
            KeyError: the client does not exist.
        """
        updated = Client(**(asdict(self.get(client_id)) | changes))
        self._updated[client_id] = updated
        return updated

    def page(self, number: int, size: int, *, keyword: str = "", email: str = "") -> list[Client]:
        """Return page ``number``, counted from 1, of the clients in the order of their ids.

        ``keyword`` may be part of any text of a client, ``email`` must be the whole address; case
        does not matter, and an empty one matches every client.
        """
        matching = self._matching(keyword.casefold(), email.casefold())
        return list(islice(matching, (number - 1) * size, number * size))

    def _matching(self, keyword: str, email: str) -> Iterator[Client]:
        for client in map(self.get, self._ids):
            if email not in {"", client.email.casefold()}:
                continue
            if keyword in _searchable(client):
                yield client


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
