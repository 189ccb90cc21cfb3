"""Finding a client's fields among the headers of a spreadsheet."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import InputError
from etl.fields import Field, ResultColumn
from etl.text import is_blank, quote, quoted_together, strip_edges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Compared without case, spaces, punctuation, accents, invisible characters and variants of Arabic
# letters. French “nom” is left out: it is often the surname, beside a column for the first name.
ALIASES: Mapping[Field, tuple[str, ...]] = {
    Field.ID: (
        "id", "client id", "client number", "client no", "client code", "customer id",
        "customer number", "customer no", "customer code", "cust id", "cust no", "cust code",
        "party code", "fatora id", "id number",
        "identifiant", "identifiant client", "numéro client", "numéro de client", "n° client",
        "no client", "code client",
        "رقم العميل", "معرف العميل", "كود العميل", "رقم الزبون", "كود الزبون", "المعرف", "معرف",
        "رقم",
    ),
    Field.EMAIL: (
        "email", "email address", "email add", "email id", "client email", "customer email",
        "mail", "mail id", "adresse email", "adresse mail", "adresse électronique", "courriel",
        "البريد الإلكتروني", "بريد إلكتروني", "البريد", "بريد", "الإيميل", "إيميل",
    ),
    Field.NAME: (
        "name", "full name", "client name", "customer name", "party name",
        "nom complet", "nom et prénom", "nom du client", "nom client",
        "الاسم", "اسم", "اسم العميل", "الاسم الكامل", "اسم الزبون",
    ),
    Field.PHONE: (
        "phone", "phone number", "phone no", "ph no", "mobile", "mobile number", "mobile no",
        "mob no", "contact number", "contact no", "cell no", "telephone", "telephone number",
        "telephone no", "tel", "tel no",
        "téléphone portable", "numéro de téléphone", "n° de téléphone", "n° téléphone",
        "الهاتف", "رقم الهاتف", "هاتف", "رقم هاتف",
        "الجوال", "رقم الجوال", "جوال", "رقم جوال",
        "الموبايل", "رقم الموبايل", "موبايل", "رقم موبايل",
    ),
    Field.ADDRESS: (
        "address", "client address", "customer address", "adresse", "adresse du client",
        "adresse client", "العنوان", "عنوان", "عنوان العميل",
    ),
    Field.NOTES: (
        "notes", "note", "remarks", "remark", "comments", "comment", "remarques", "remarque",
        "commentaires", "commentaire", "ملاحظات", "الملاحظات", "ملاحظة", "الملاحظة",
    ),
}  # fmt: skip

# Words of headers that may be a field's, though only a person knows: Phone 2, Full name (English).
_TELLING_WORDS: Mapping[Field, str] = {
    Field.NAME: "name names nom noms prénom surname اسم الاسم",
    Field.PHONE: (
        "phone phones mobile mob tel telephone cell cellphone whatsapp gsm portable"
        " هاتف الهاتف جوال الجوال موبايل الموبايل تليفون واتساب الواتساب"
    ),
    Field.ADDRESS: "address addresses adresse addr street عنوان العنوان",
    Field.NOTES: "note notes comment comments remark remarks remarque commentaire ملاحظة ملاحظات",
}
_SIMILAR = 0.8  # of difflib: Adress and Phnoe are, Branch is not
_WORD_ENDS = re.compile(r"[\W_]+")
_WATCHED = 100  # rows
_MOSTLY = 0.8
# A number for dialling in the Gulf: with a prefix, or eight digits (Qatar, Kuwait, Bahrain, Oman).
_DIALLED = re.compile(r"(?:\+|00|0|9[67][0-9])[0-9 ()./-]{7,18}|[2-7][0-9]{3}[ -]?[0-9]{4}")

_ARABIC_VARIANTS = str.maketrans({"ة": "ه", "ى": "ي", "ـ": None})
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
    folded = unicodedata.normalize("NFKD", name).casefold().translate(_ARABIC_VARIANTS)
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


class Lookalikes:
    """The columns that are not sent, but may be meant for a field that has no column.

    A name tells, or the cells of the first rows: they look like phone numbers.
    """

    def __init__(
        self, names: Sequence[str], columns: Mapping[Field, int], known: Mapping[str, Field]
    ) -> None:
        """Watch the columns with these ``names``, of which ``columns`` are sent."""
        absent = [field for field in Field if field not in columns]
        similar = {key: field for key, field in known.items() if field in absent}
        sent = set(columns.values())
        self._named: dict[str, Field] = {}
        self._unclear: dict[int, str] = {}
        for index, name in enumerate(names):
            if index in sent or is_blank(name):
                continue
            field = _field_like(name, absent, similar)
            if field is not None:
                self._named[name] = field
            elif Field.PHONE in absent:
                self._unclear[index] = name
        self._rows_left = _WATCHED if self._unclear else 0
        self._filled, self._dialled = Counter[int](), Counter[int]()

    def watch(self, cells: Sequence[str]) -> None:
        """Look at a row's cells, if it is one of the first."""
        if not self._rows_left:
            return
        self._rows_left -= 1
        for index in self._unclear:
            text = re.sub(r"\d", lambda digit: str(int(digit[0])), strip_edges(cells[index]))
            self._filled[index] += bool(text)
            self._dialled[index] += _DIALLED.fullmatch(text) is not None

    @property
    def found(self) -> dict[str, Field]:
        """The field of each such column, by its header."""
        phones = {
            name: Field.PHONE
            for index, name in self._unclear.items()
            if self._dialled[index] > _MOSTLY * self._filled[index]
        }
        return self._named | phones


def _field_like(name: str, absent: Sequence[Field], similar: Mapping[str, Field]) -> Field | None:
    """Return the field among the ``absent`` ones that a header seems to mean, if there is one."""
    key = header_key(name)
    if "mail" in key:  # such as “email address 2”
        return None
    words = {header_key(word) for word in _WORD_ENDS.split(unicodedata.normalize("NFKC", name))}
    for field in absent:
        if words.intersection(map(header_key, _TELLING_WORDS.get(field, "").split())):
            return field
    close = difflib.get_close_matches(key, similar, n=1, cutoff=_SIMILAR)
    return similar[close[0]] if close else None
