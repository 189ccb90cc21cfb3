"""Finding a client's fields among the headers of a spreadsheet."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import InputError
from etl.fields import Field, ResultColumn
from etl.text import quote, quoted_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Compared without case, spaces, punctuation, invisible characters and variants of Arabic letters.
ALIASES: Mapping[Field, tuple[str, ...]] = {
    Field.ID: (
        "id", "client id", "client number", "client no", "customer id", "fatora id",
        "رقم العميل", "معرف العميل", "رقم الزبون", "المعرف", "معرف",
    ),
    Field.EMAIL: (
        "email", "email address", "client email", "mail",
        "البريد الإلكتروني", "بريد إلكتروني", "البريد", "بريد", "الإيميل", "إيميل",
    ),
    Field.NAME: (
        "name", "full name", "client name", "customer name",
        "الاسم", "اسم", "اسم العميل", "الاسم الكامل", "اسم الزبون",
    ),
    Field.PHONE: (
        "phone", "phone number", "phone no", "mobile", "mobile number", "mobile no", "telephone",
        "tel", "الهاتف", "رقم الهاتف", "هاتف", "رقم هاتف",
        "الجوال", "رقم الجوال", "جوال", "رقم جوال",
        "الموبايل", "رقم الموبايل", "موبايل", "رقم موبايل",
    ),
    Field.ADDRESS: ("address", "client address", "العنوان", "عنوان", "عنوان العميل"),
    Field.NOTES: ("notes", "note", "remarks", "ملاحظات", "الملاحظات", "ملاحظة", "الملاحظة"),
}  # fmt: skip

_ARABIC_VARIANTS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ة": "ه", "ى": "ي", "ـ": None})
_OWN_COLUMNS = {column.header: column for column in ResultColumn}


@dataclass(frozen=True, slots=True)
class Header:
    """The header row of a table: its cells, and the column index of each field in it.

    ``clash`` is a field with a second column, and the index of that column.
    """

    row: int
    names: tuple[str, ...]
    columns: Mapping[Field, int]
    clash: tuple[Field, int] | None = None

    @property
    def missing(self) -> list[Field]:
        """The required fields without a column."""
        return [field for field in Field if field.required and field not in self.columns]

    @property
    def kept(self) -> list[int]:
        """The indexes of the operator's own columns, without those of a results file."""
        return [
            index
            for index, name in enumerate(self.names)
            if name.strip().casefold() not in _OWN_COLUMNS
        ]

    @property
    def origin(self) -> tuple[int, int] | None:
        """The indexes of the two columns that name a row of an earlier run: its run and number."""
        own = {_OWN_COLUMNS.get(name.strip().casefold()): i for i, name in enumerate(self.names)}
        run, row = own.get(ResultColumn.UPDATE_RUN), own.get(ResultColumn.UPDATE_ROW)
        return None if run is None or row is None else (run, row)

    def require_distinct(self) -> None:
        """Check that no field has two columns.

        Raises:
            InputError: a field has two, and which of them to send is unclear.
        """
        if self.clash is None:
            return
        field, index = self.clash
        first, second = quoted_together(self.names[self.columns[field]], self.names[index])
        raise InputError(
            f"row {self.row} has two columns for {field}: {first} and {second}; rename the one that"
            " should not be sent"
        )


def header_key(name: str) -> str:
    """Return what all spellings of a header name have in common."""
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_ARABIC_VARIANTS)
    return "".join(char for char in folded if char.isalnum())


def known_names(extra: Mapping[Field, Sequence[str]]) -> dict[str, Field]:
    """Return the field of each header key, for the built-in aliases and the ``extra`` ones.

    Raises:
        ValueError: an extra alias has no letter or digit, so that it would match blank headers, or
            it belongs to another field.
    """
    known = {header_key(name): field for field in Field for name in ALIASES[field]}
    for field, names in extra.items():
        for name in names:
            key = header_key(name)
            if not key:
                raise ValueError(f"the alias {quote(name)} for {field} has no letter or digit")
            if known.setdefault(key, field) is not field:
                raise ValueError(f"the alias {quote(name)} for {field} already means {known[key]}")
    return known


def match(row: int, names: Iterable[str], known: Mapping[str, Field]) -> Header:
    """Return a row as a header, with any fields that its cells name."""
    header = tuple(names)
    columns: dict[Field, int] = {}
    clash: tuple[Field, int] | None = None
    for index, name in enumerate(header):
        field = known.get(header_key(name))
        if field is not None and columns.setdefault(field, index) != index:
            clash = clash or (field, index)
    return Header(row, header, columns, clash)
