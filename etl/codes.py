"""Everything that can be said of a row that was not updated: one table, each code in it once.

The code is for machines and never changes its meaning; the meaning completes the sentence "the row
was not updated because …"; the fix is for operations, who are no programmers. The README's table
is held to this one by a test.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Code(Enum):
    """A reason why a row was not updated; its name is what ``update_code`` holds."""

    ID_MISSING = ("the id is missing", "Write the client's number into the id column.")
    ID_NOT_INTEGER = (
        "the id is not a whole number",
        "Write the client's number with digits alone, such as 1024.",
    )
    ID_OUT_OF_RANGE = (
        "the id is not between 1 and 9223372036854775807",
        "Look the client's number up in Fatora and write it again.",
    )
    ID_DUPLICATE = (
        "several rows have this id and do not say the same",
        "Keep one row for each client and delete the others, or make them equal.",
    )
    EMAIL_MISSING = (
        "the e-mail address is missing",
        "Write the client's e-mail address; Fatora requires one.",
    )
    EMAIL_INVALID = (
        "the e-mail address is not valid",
        "Correct the address; it looks like name@example.com, without spaces.",
    )
    CELL_ERROR = (
        "the cell holds an error of the spreadsheet program, not a value",
        "Repair the formula, or type the value in its place, and save the file again.",
    )
    CELL_MERGED = (
        "the cell is part of a merged cell",
        "Unmerge the cells (Home, Merge & Center) and fill in each row's own value.",
    )
    TEXT_DAMAGED = (
        "the text is damaged, and what was typed cannot be told any more",
        "Type the value again into a cell that is formatted as Text.",
    )
    TEXT_TOO_LONG = ("the text is too long", "Shorten the text.")
    ROW_MALFORMED = (
        "the row is cut off before this column",
        "Fill in the missing cells at the end of the row.",
    )
    API_REJECTED = (
        "the API refused the values",
        "Read what the API says in update_error, correct the row and send it again.",
    )
    API_NOT_FOUND = (
        "the API knows no client of this id",
        "Check the id in Fatora; the client may have been deleted.",
    )
    API_CONFLICT = (
        "the API says that the values belong to another client",
        "Look in Fatora for the other client with this e-mail or phone.",
    )
    API_AUTH = (
        "the API did not accept the credentials",
        "Nothing is wrong with the row: once the API key or token is renewed, run the file again.",
    )
    API_THROTTLED = (
        "the API asked for a slower pace",
        "Nothing is wrong with the row: run the same file again later, or with a lower --rate.",
    )
    API_UNAVAILABLE = (
        "the API could not serve the request",
        "Nothing is known to be wrong with the row: run the same file again later.",
    )
    API_UNREADABLE = (
        "the API's answer could not be understood",
        "Run the same file again; if this stays, show update_error to Fatora's support.",
    )
    API_MISMATCH = (
        "the API answered about another client",
        "Do not run the file again before Fatora's support has explained the answer.",
    )
    API_REDIRECT = (
        "the API pointed to another address, which is never followed",
        "Nothing is wrong with the row: ask the engineer to check the API's url, then run again.",
    )
    NETWORK_UNREACHABLE = (
        "the API could not be reached",
        "Nothing is wrong with the row: run the same file again once the network works.",
    )
    NETWORK_TIMEOUT = (
        "the API did not answer in time",
        "The update may have been made; run the same file again to make sure.",
    )
    NETWORK_INTERRUPTED = (
        "the connection broke before the answer was complete",
        "The update may have been made; run the same file again, which makes sure.",
    )
    RUN_STOPPED = (
        "the run stopped before this row",
        "Nothing is wrong with the row: once what stopped the run is settled, run the file again.",
    )

    @property
    def meaning(self) -> str:
        """What is wrong, in a few words."""
        return self.value[0]

    @property
    def fix(self) -> str:
        """What operations should do, in plain words."""
        return self.value[1]
