"""Finding a client's fields among the headers of a spreadsheet."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import InputError
from etl.fields import Field, ResultColumn
from etl.text import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Matched without case, spaces, punctuation, unseen characters and the variants of Arabic letters.
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
    """The header of a table: its names as they stand, and the column index of each field found.

    ``clash`` is a field that has a second column, and that column's index.
    """

    row: int
    names: tuple[str, ...]
    columns: Mapping[Field, int]
    clash: tuple[Field, int] | None = None

    @property
    def missing(self) -> list[Field]:
        """The required fields that no column feeds."""
        return [field for field in Field if field.required and field not in self.columns]

    @property
    def kept(self) -> list[int]:
        """The indexes of the operator's own columns: all but those of a previous results file."""
        return [
            index
            for index, name in enumerate(self.names)
            if name.strip().casefold() not in _OWN_COLUMNS
        ]

    @property
    def origin(self) -> tuple[int, int] | None:
        """The indexes of the columns that name an earlier run's row: its run, and its number."""
        own = {_OWN_COLUMNS.get(name.strip().casefold()): i for i, name in enumerate(self.names)}
        run, row = own.get(ResultColumn.UPDATE_RUN), own.get(ResultColumn.UPDATE_ROW)
        return None if run is None or row is None else (run, row)

    def require_distinct(self) -> None:
        """Check that no field has two columns.

        Raises:
            InputError: one has, and it is not clear which of them to send.
        """
        if self.clash is None:
            return
        field, second = self.clash
        raise InputError(
            f"two columns hold the {field}: {quote(self.names[self.columns[field]])} and"
            f" {quote(self.names[second])} (row {self.row}); rename the one that is not to be sent"
        )


def header_key(name: str) -> str:
    """Return what two header names have in common that mean the same column."""
    folded = unicodedata.normalize("NFKC", name).casefold().translate(_ARABIC_VARIANTS)
    return "".join(char for char in folded if char.isalnum())


def known_names(extra: Mapping[Field, Sequence[str]]) -> dict[str, Field]:
    """Return the field of each header key: the aliases that ship and the configuration's.

    Raises:
        ValueError: one of the configuration's has neither letter nor digit, so that it would fit
            headers that have none, or is another field's.
    """
    known = {header_key(name): field for field in Field for name in ALIASES[field]}
    for field, names in extra.items():
        for name in names:
            key = header_key(name)
            if not key:
                raise ValueError(f"the alias {quote(name)} of {field} has no letter or digit")
            if known.setdefault(key, field) is not field:
                raise ValueError(f"the alias {quote(name)} of {field} is a name of {known[key]}")
    return known


def match(row: int, names: Iterable[str], known: Mapping[str, Field]) -> Header:
    """Return the header that this row would be."""
    header = tuple(names)
    columns: dict[Field, int] = {}
    clash: tuple[Field, int] | None = None
    for index, name in enumerate(header):
        field = known.get(header_key(name))
        if field is not None and columns.setdefault(field, index) != index:
            clash = clash or (field, index)
    return Header(row, header, columns, clash)
