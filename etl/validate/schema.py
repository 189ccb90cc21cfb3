"""The pandera schema of a client: columns of text, each with the checks that it must pass.

Nothing is coerced: with coercion, one bad id would disable the checks of all other rows, and 1024.7
would become the number of another client. Each check is named after the code of its failure. A
blank cell passes every check except the one for a missing value.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import pandas as pd
import pandera.pandas as pa
from email_validator import EmailNotValidError, validate_email
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from etl.codes import Code
from etl.errors import InconsistentError
from etl.fields import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

Check: TypeAlias = "Callable[[str], bool]"

_LARGEST_ID = 2**63 - 1
_INTEGER = re.compile(r"-?[0-9]+")
_ROUNDED = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?E\+[0-9]+")  # as Excel shows a long number
_LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3: a path has 256 octets, the angle brackets included
_PLAIN_LOCAL_PART = re.compile(r"(?!.{65})[A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*")
# ECMA-376 part 1, 18.17.3 (error constants), and those that newer versions of Excel have.
_CELL_ERRORS = re.compile(
    r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|GETTING_DATA|SPILL!|CALC!|FIELD!|BLOCKED!)"
)
# Control characters except tabs and line breaks, single surrogates, the replacement character.
_DAMAGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


def _is_no_cell_error(text: str) -> bool:
    return not _CELL_ERRORS.fullmatch(text)


def _is_intact(text: str) -> bool:
    return not _DAMAGE.search(text)


def _is_not_rounded(text: str) -> bool:
    return not _ROUNDED.fullmatch(text)


def _has_no_invisible_characters(text: str) -> bool:
    return text.isascii() or not any(unicodedata.category(char) == "Cf" for char in text)


def _is_integer(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None


def _is_in_range(text: str) -> bool:
    if not _is_integer(text):
        return True
    return len(text) <= len(str(_LARGEST_ID)) and 1 <= int(text) <= _LARGEST_ID


def _is_email(text: str) -> bool:
    if len(text) > _LONGEST_EMAIL:
        return False
    local, _, domain = text.rpartition("@")
    if _PLAIN_LOCAL_PART.fullmatch(local) and _is_domain(domain):
        return True
    return _is_valid(text)


@lru_cache(1_000)
def _is_domain(domain: str) -> bool:
    """Whether an address may have this domain; cached, because clients share a few."""
    return domain.isascii() and _is_valid(f"a@{domain}")


def _is_valid(email: str) -> bool:
    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


# In order of precedence: a cell gets the code of the first check that it fails.
_EVERY_FIELD: list[tuple[Code, Check]] = [
    (Code.CELL_ERROR, _is_no_cell_error),
    (Code.TEXT_DAMAGED, _is_intact),
]
_OWN: Mapping[Field, list[tuple[Code, Check]]] = {
    Field.ID: [
        (Code.TEXT_DAMAGED, _is_not_rounded),
        (Code.ID_NOT_INTEGER, _is_integer),
        (Code.ID_OUT_OF_RANGE, _is_in_range),
    ],
    Field.EMAIL: [
        (Code.EMAIL_INVALID, _has_no_invisible_characters),
        (Code.EMAIL_INVALID, _is_email),
    ],
    Field.PHONE: [
        (Code.TEXT_DAMAGED, _is_not_rounded),
        (Code.TEXT_DAMAGED, _has_no_invisible_characters),
    ],
}
_MISSING = {Field.ID: Code.ID_MISSING, Field.EMAIL: Code.EMAIL_MISSING}

# A row that must fail in every column, and the code that each must get. It is validated with every
# chunk, to prove that the schema is in force.
_CANARY_ROW = -1
_CANARY = {
    Field.ID: ("1024.7", Code.ID_NOT_INTEGER),
    Field.EMAIL: ("no address", Code.EMAIL_INVALID),
    Field.NAME: ("\ufffd", Code.TEXT_DAMAGED),
    Field.PHONE: ("9.74E+11", Code.TEXT_DAMAGED),
    Field.ADDRESS: ("#REF!", Code.CELL_ERROR),
    Field.NOTES: ("\x00", Code.TEXT_DAMAGED),
}


class ClientSchema:
    """The rules for a client, which no environment variable of pandera can disable."""

    def __init__(self, max_lengths: Mapping[Field, int]) -> None:
        """Create the schema; ``max_lengths`` are in characters."""
        self._schema = pa.DataFrameSchema(
            {
                field: pa.Column(str, list(_checks(field, max_lengths.get(field))))
                for field in Field
            },
            index=pa.Index(int, unique=True),
            strict=True,
        )

    def faults(self, frame: pd.DataFrame) -> dict[tuple[int, Field], Code]:
        """Return the code of each faulty cell, by row number and field.

        ``frame`` has a column of text for each field and the row numbers as its index.

        Raises:
            InconsistentError: the schema let the canary row pass, or reported a fault without its
                row, so that no row can count as checked.
        """
        watched = pd.concat([frame, _canary_frame()])
        faults: dict[tuple[int, Field], Code] = {}
        for row, field, code in self._failures(watched):
            faults.setdefault((row, field), code)
        for field, (_, code) in _CANARY.items():
            if faults.pop((_CANARY_ROW, field), None) is not code:
                raise InconsistentError(f"validation is not in force: a bad {field} passed")
        return faults

    def _failures(self, frame: pd.DataFrame) -> Iterator[tuple[int, Field, Code]]:
        try:
            with config_context(
                validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
            ):
                self._schema.validate(frame, lazy=True)
        except SchemaErrors as errors:
            cases = errors.failure_cases.sort_values("check_number", kind="stable")
            for case in cases.itertuples(index=False):
                if case.index is None or case.check not in Code.__members__:
                    raise InconsistentError(
                        f"validation failed as a whole ({case.check}); no row can be trusted"
                    ) from None
                yield int(case.index), Field(case.column), Code[case.check]


def _checks(field: Field, max_length: int | None) -> Iterator[pa.Check]:
    if field in _MISSING:
        yield pa.Check(lambda column: column != "", error=_MISSING[field].name)
    for code, check in [*_EVERY_FIELD, *_OWN.get(field, [])]:
        yield pa.Check(_where_filled(check), error=code.name)
    if max_length is not None:
        yield pa.Check(lambda column: column.str.len() <= max_length, error=Code.TEXT_TOO_LONG.name)


def _where_filled(check: Check) -> Callable[[pd.Series[str]], pd.Series[bool]]:
    return lambda column: pd.Series(
        [not text or check(text) for text in column.tolist()], index=column.index, dtype=bool
    )


def _canary_frame() -> pd.DataFrame:
    values = {field: [text] for field, (text, _) in _CANARY.items()}
    return pd.DataFrame(values, index=[_CANARY_ROW], dtype=str)
