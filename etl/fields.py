"""The columns that the job knows: a client's fields, and those that it adds to a results file."""

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
    """A column of the results file; its value tells operations what it holds.

    Such a column in an input is a previous run's and is dropped.
    """

    UPDATE_STATUS = "what became of the row: exactly one status"
    UPDATE_ERROR = "empty on SUCCESS; else what is wrong, or what the API returned, on one line"
    UPDATE_CODE = "the same as stable codes, several joined by `; `"
    UPDATE_FIX = "what to do about it, in plain words"
    UPDATE_WARNING = "updated, but: what was changed on the way, or stored otherwise than sent"
    UPDATE_HTTP_STATUS = "the HTTP status of the last answer"
    UPDATE_ATTEMPTS = "how many times the row was sent, or may have been, over all resumes"
    UPDATE_TIME = "when the last answer came, UTC, ISO 8601"
    UPDATE_MS = "how long the last attempt took, in milliseconds"
    UPDATE_ROW = "the row's number in the input, as Excel shows it"
    UPDATE_RUN = "the run's id, which is the name of its folder"

    @property
    def header(self) -> str:
        """The column's name as it stands in the file."""
        return self.name.lower()
