"""The columns with a meaning: a client's fields, and those that the results file adds."""

from __future__ import annotations

from enum import Enum, StrEnum


class Field(StrEnum):
    """One field of the Update Client call; its value is the key that the API takes.

    Source: fatora.io/api/updateClient.php. ``id`` is part of the path, the others of the body.
    """

    ID = "id"
    EMAIL = "email"
    NAME = "name"
    PHONE = "phone"
    ADDRESS = "address"
    NOTES = "notes"

    @property
    def required(self) -> bool:
        """Whether the API refuses an update without it."""
        return self in {Field.ID, Field.EMAIL}


class ResultColumn(Enum):
    """A column of the results file; its value explains to operations what is in it.

    If an input has such columns, they come from an earlier run. They are neither sent nor copied
    into the new results. Only the run and the row that they name are kept.
    """

    UPDATE_STATUS = "the result for this row: exactly one status"
    UPDATE_ERROR = "empty on SUCCESS, otherwise what is wrong, or what Fatora answered, on one line"
    UPDATE_CODE = "the same as stable codes, several joined by `; `"
    UPDATE_FIX = "how to fix it, in plain words"
    UPDATE_WARNING = "updated, but: what was changed on the way, or what Fatora stored differently"
    UPDATE_CHANGES = "how the row changes its client: each field, its old value and its new one"
    UPDATE_HTTP_STATUS = "the HTTP status of the last answer"
    UPDATE_ATTEMPTS = "how many times the row was sent, or may have been, over all sessions"
    UPDATE_TIME = "when the last answer came, UTC, ISO 8601"
    UPDATE_MS = "how long the last attempt took, in milliseconds"
    UPDATE_ROW = "the row number in the input, as Excel shows it"
    UPDATE_RUN = "the run's id, which is its folder's name"

    @property
    def header(self) -> str:
        """The column's name in the file."""
        return self.name.lower()
