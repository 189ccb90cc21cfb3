"""Every reason why a row was not updated, in one table.

The code is for programs and never changes its meaning. The texts are for operations, who are not
programmers. A test compares the documentation with this table.
"""

from __future__ import annotations

from enum import Enum, unique


@unique
class Code(Enum):
    """A reason why a row was not updated; its name is the ``update_code``."""

    ID_MISSING = (
        "The client number is missing",
        "Enter the client number.",
    )
    ID_NOT_INTEGER = (
        "The client number is not a whole number",
        "Use digits only, e.g. 1024.",
    )
    ID_OUT_OF_RANGE = (
        "The client number is not between 1 and 9223372036854775807",
        "Look up the client number in Fatora and re-enter it.",
    )
    ID_DUPLICATE = (
        "Several rows have this client number but different values",
        "Keep one row for this client and delete the others.",
    )
    EMAIL_MISSING = (
        "The e-mail address is missing",
        "Enter the client's e-mail address. Fatora requires one.",
    )
    EMAIL_INVALID = (
        "The e-mail address is not valid",
        "Correct the e-mail address. It should look like name@example.com, without spaces.",
    )
    CELL_ERROR = (
        "The cell contains an Excel error (such as #N/A)",
        "Fix the formula, or type the value instead, and save the file.",
    )
    CELL_MERGED = (
        "The cell is merged with other cells",
        "Unmerge the cells (Home, Merge & Center) and enter a value in each row.",
    )
    TEXT_DAMAGED = (
        "Excel changed this value and the original is lost",
        "Format the cell as Text, then retype the value.",
    )
    TEXT_TOO_LONG = ("The text is too long", "Shorten the text.")
    ROW_MALFORMED = (
        "The row ends before this column",
        "Fill in the missing cells at the end of the row.",
    )
    API_REJECTED = (
        "Fatora refused the values",
        "Read Fatora's answer in update_error, correct the row and submit it again.",
    )
    API_NOT_FOUND = (
        "Fatora has no client with this number",
        "Check the client number in Fatora. The client may have been deleted.",
    )
    API_CONFLICT = (
        "This e-mail or phone belongs to another client",
        "Find the other client in Fatora and decide who keeps the e-mail or phone.",
    )
    API_AUTH = (
        "Fatora did not accept the job's credentials",
        "The row looks fine. Ask the engineer to renew the key, then run the same file again.",
    )
    API_THROTTLED = (
        "Fatora asked for a slower pace",
        (
            "The row looks fine. Run the same file again later. If this keeps happening, ask the"
            " engineer to slow the job down."
        ),
    )
    API_UNAVAILABLE = (
        "Fatora was unavailable",
        "The row looks fine. Run the same file again later.",
    )
    API_UNREADABLE = (
        "Fatora's answer could not be understood",
        (
            "Run the same file again. If this keeps happening, send the update_error text to Fatora"
            " support."
        ),
    )
    API_MISMATCH = (
        "Fatora answered about another client",
        "Do not run the file again until Fatora support has explained the answer.",
    )
    API_CLEARED = (
        "Fatora emptied a field that was not sent",
        (
            'The job stopped. Ask the engineer to set unsent = "resend", and to restore the field'
            " with fatora-clients undo."
        ),
    )
    API_NOT_APPLIED = (
        "Fatora does not hold the values that were sent",
        "Run the same file again to send them.",
    )
    CHANGED_MEANWHILE = (
        "Somebody changed this client in Fatora meanwhile",
        (
            "Look at the client in Fatora. To send your values all the same, run the same file"
            " again. An undo leaves the client as it is."
        ),
    )
    API_REDIRECT = (
        "Fatora redirected the request to another address, which the job does not follow",
        (
            "The row looks fine. Ask the engineer to check the API address, then run the same file"
            " again."
        ),
    )
    NETWORK_UNREACHABLE = (
        "Fatora could not be reached",
        "The row looks fine. Run the same file again when the network works again.",
    )
    NETWORK_TIMEOUT = (
        "Fatora did not answer in time",
        "The client may have been updated. Run the same file again to make sure.",
    )
    NETWORK_INTERRUPTED = (
        "The connection broke before Fatora's answer was complete",
        "The client may have been updated. Run the same file again to make sure.",
    )
    FAILED_REPEATEDLY = (
        "Fatora could not serve this row on several nights",
        "Sending the row again has not helped. Ask Fatora support about this client.",
    )
    PLANNED = (
        "The row was only compared with what Fatora holds, and nothing was sent",
        "To send this change, run fatora-clients update with the same file.",
    )
    RUN_STOPPED = (
        "The run stopped before this row",
        "The row looks fine. Run the same file again when the cause is resolved.",
    )

    @property
    def meaning(self) -> str:
        """What is wrong: a sentence without its full stop."""
        return self.value[0]

    @property
    def fix(self) -> str:
        """What operations should do, in plain words."""
        return self.value[1]
