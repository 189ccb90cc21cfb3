"""The pandera schema of a client: columns of text, each with the checks that it must pass.

Nothing is coerced: with coercion, one bad id would disable the checks of all other rows, and 1024.7
would become the number of another client. Each check is named after the code of its failure. A
blank cell passes every check except the one for a missing value.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from email_validator import EmailNotValidError, validate_email
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from etl.codes import Code
from etl.errors import InconsistentError
from etl.fields import Field
from etl.validate import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_LARGEST_ID = 2**63 - 1
_INTEGER = re.compile(r"-?[0-9]+")
_ROUNDED = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?E\+[0-9]+")  # as Excel shows a long number
_LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3: a path has 256 octets, the angle brackets included
_LONGEST_LOCAL_PART = 64  # RFC 5321, 4.5.3.1.1
_PLAIN_EMAIL = re.compile(r"^[A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*@(.*)$", re.MULTILINE)
# Control characters except tabs and line breaks, single surrogates, the replacement character.
_DAMAGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
_BLOCK = 250  # cells that are tested together; if one fails, they are tested one by one


class Rule(NamedTuple):
    """A rule for the texts of a column, and the code of a text that breaks it.

    ``all_pass`` tests many texts much faster than ``passes`` tests each of them. It returns True
    only if each text passes or is blank, and may return False even then.
    """

    code: Code
    passes: Callable[[str], bool]
    all_pass: Callable[[Sequence[str]], bool]


def _begins_with(start: str, texts: Sequence[str]) -> bool:
    """Whether any of the texts may begin with ``start``; a line inside a text counts too."""
    return f"\n{start}" in "\n".join(["", *texts])


def _is_email(text: str) -> bool:
    return len(text) <= _LONGEST_EMAIL and (_are_plain_emails([text]) or _is_valid_email(text))


def _are_plain_emails(texts: Sequence[str]) -> bool:
    """Whether email-validator, which needs 40 µs for an address, would accept all of these."""
    lines = "\n".join(texts)
    domains = _PLAIN_EMAIL.findall(lines)
    return (
        len(domains) == len(texts) == lines.count("\n") + 1
        and max(map(len, texts)) <= _LONGEST_LOCAL_PART
        and all(map(_is_plain_domain, set(domains)))
    )


@lru_cache(1_000)
def _is_plain_domain(domain: str) -> bool:
    """Whether an address may have this ASCII domain; cached, because clients share a few."""
    return domain.isascii() and _is_valid_email(f"a@{domain}")


def _is_valid_email(text: str) -> bool:
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


_NO_CELL_ERROR = Rule(
    Code.CELL_ERROR,
    lambda text: not damage.is_error(text),
    lambda texts: not damage.may_have_errors("\n".join(["", *texts])),
)
_INTACT = Rule(
    Code.TEXT_DAMAGED,
    lambda text: not (_DAMAGE.search(text) or damage.is_lost(text)),
    lambda texts: (
        (joined := "".join(texts)).isprintable() and "\ufffd" not in joined and "?" not in joined
    ),
)
_NOT_ROUNDED = Rule(
    Code.TEXT_DAMAGED,
    lambda text: not _ROUNDED.fullmatch(text),
    lambda texts: "E" not in "".join(texts),
)
_NOT_COMPUTED = Rule(
    Code.TEXT_DAMAGED,
    lambda text: not damage.is_computed(text),
    lambda texts: not damage.may_be_computed("".join(texts)),
)
_INTEGER_ID = Rule(
    Code.ID_NOT_INTEGER,
    lambda text: _INTEGER.fullmatch(text) is not None,
    lambda texts: (joined := "".join(texts)).isascii() and joined.isdigit(),
)
_ID_IN_RANGE = Rule(
    Code.ID_OUT_OF_RANGE,
    lambda text: (
        not _INTEGER.fullmatch(text)
        or (len(text) <= len(str(_LARGEST_ID)) and 1 <= int(text) <= _LARGEST_ID)
    ),
    lambda texts: (
        max(map(len, texts)) < len(str(_LARGEST_ID))
        and not _begins_with("0", texts)
        and not _begins_with("-", texts)
    ),
)
_EMAIL = Rule(Code.EMAIL_INVALID, _is_email, _are_plain_emails)


def _all_visible(code: Code) -> Rule:
    return Rule(
        code,
        lambda text: not any(unicodedata.category(char) == "Cf" for char in text),
        lambda texts: "".join(texts).isascii(),
    )


def _at_most(length: int) -> Rule:
    return Rule(
        Code.TEXT_TOO_LONG,
        lambda text: len(text) <= length,
        lambda texts: max(map(len, texts)) <= length,
    )


RULES: Mapping[Field, Sequence[Rule]] = {
    Field.ID: [_NO_CELL_ERROR, _INTACT, _NOT_ROUNDED, _INTEGER_ID, _ID_IN_RANGE],
    Field.EMAIL: [_NO_CELL_ERROR, _INTACT, _all_visible(Code.EMAIL_INVALID), _EMAIL],
    Field.NAME: [_NO_CELL_ERROR, _INTACT],
    Field.PHONE: [_NO_CELL_ERROR, _INTACT, _NOT_COMPUTED, _all_visible(Code.TEXT_DAMAGED)],
    Field.ADDRESS: [_NO_CELL_ERROR, _INTACT],
    Field.NOTES: [_NO_CELL_ERROR, _INTACT],
}
"""The rules of each field in order of precedence: a cell gets the code of the first it breaks."""

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
        yield _check(_MISSING[field], lambda column: column != "")
    for rule in RULES[field]:
        yield _check(rule.code, _where_filled(rule))
    if max_length is not None:
        too_long = _at_most(max_length)
        yield _check(too_long.code, _where_filled(too_long))


def _check(code: Code, passes: Callable[[pd.Series[str]], pd.Series[bool]]) -> pa.Check:
    # No cell is missing (`nullable` is off), so pandera need not look for such cells each time.
    return pa.Check(passes, error=code.name, ignore_na=False)


def _where_filled(rule: Rule) -> Callable[[pd.Series[str]], pd.Series[bool]]:
    """Return the check of a whole column: True for each text that is blank or follows the rule."""

    def passes(column: pd.Series[str]) -> pd.Series[bool]:
        texts = column.tolist()
        passed = np.ones(len(texts), dtype=bool)
        for start in range(0, len(texts), _BLOCK):
            block = texts[start : start + _BLOCK]
            if not rule.all_pass(block):
                passed[start : start + len(block)] = [
                    not text or rule.passes(text) for text in block
                ]
        return pd.Series(passed, index=column.index, dtype=bool)

    return passes


def _canary_frame() -> pd.DataFrame:
    values = {field: [text] for field, (text, _) in _CANARY.items()}
    return pd.DataFrame(values, index=[_CANARY_ROW], dtype=str)
