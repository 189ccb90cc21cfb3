"""Headers name the fields in any spelling, and a field is never guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.errors import InputError
from etl.extract.header import ALIASES, Header, Lookalikes, header_key, known_names, match
from etl.fields import Field, ResultColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN = known_names({})


def matched(*names: str) -> Header:
    """Returns a row with these cells as a header."""
    return match(1, names, KNOWN)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Client ID", Field.ID),
        ("CLIENT_ID", Field.ID),
        ("client-id:", Field.ID),
        ("e-mail ", Field.EMAIL),
        ("E\u2011Mail\u00a0Address", Field.EMAIL),
        ("\ufeffEmail\u200f", Field.EMAIL),
        ("\uff2e\uff41me", Field.NAME),
        ("Mobile\nNo.", Field.PHONE),
        ("رقم العميل", Field.ID),
        ("رقم  العميـل:", Field.ID),
        ("البريد الإلكتروني", Field.EMAIL),
        ("البريد الالكترونى", Field.EMAIL),
        ("الاسم", Field.NAME),
        ("الإسم", Field.NAME),
        ("الهاتف", Field.PHONE),
        ("العنوان", Field.ADDRESS),
        ("ملاحظات", Field.NOTES),
        ("مُلاحَظات", Field.NOTES),
        ("Customer Number", Field.ID),
        ("Customer No.", Field.ID),
        ("Client Code", Field.ID),
        ("ID Number", Field.ID),
        ("N° Client", Field.ID),
        ("NUMERO DE CLIENT", Field.ID),
        ("كود العميل", Field.ID),
        ("رقم", Field.ID),
        ("Email ID", Field.EMAIL),
        ("E Mail ID", Field.EMAIL),
        ("Email Add.", Field.EMAIL),
        ("Adresse e-mail", Field.EMAIL),
        ("Party Name", Field.NAME),
        ("Nom Complet", Field.NAME),
        ("Contact Number", Field.PHONE),
        ("Mob. No.", Field.PHONE),
        ("Te\u0301le\u0301phone", Field.PHONE),
        ("Adresse", Field.ADDRESS),
        ("Comments", Field.NOTES),
        ("Remarques", Field.NOTES),
    ],
)
def test_header_is_found_in_any_spelling(name: str, field: Field) -> None:
    """Case, spacing, punctuation, invisible characters and variants of letters do not matter."""
    assert matched(name).columns == {field: 0}


@pytest.mark.parametrize("name", ["", " ", "-", "ids", "id 2", "email sent", "client", "nom"])
def test_other_header_is_not_taken_for_a_field(name: str) -> None:
    """A header that only contains the name of a field is another column."""
    assert matched(name).columns == {}


def test_no_alias_means_two_fields() -> None:
    """Each built-in name means exactly one field."""
    keys = [header_key(name) for field in Field for name in ALIASES[field]]
    assert all(KNOWN[header_key(name)] is field for field in Field for name in ALIASES[field])
    assert "" not in keys


def test_alias_of_the_configuration_adds_to_the_built_in_ones() -> None:
    """Aliases from the configuration match as loosely as the built-in ones."""
    known = known_names({Field.ID: ["Kundennummer"]})
    assert match(1, ["KUNDEN-NUMMER", "mail"], known).columns == {Field.ID: 0, Field.EMAIL: 1}
    assert match(1, ["mail", "client id"], known).columns == {Field.EMAIL: 0, Field.ID: 1}


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["id", "email"], []),
        (["id", "name", "phone"], [Field.EMAIL]),
        (["email"], [Field.ID]),
        (["name"], [Field.ID, Field.EMAIL]),
    ],
)
def test_required_fields_without_a_column_are_missing(
    names: list[str], missing: list[Field]
) -> None:
    """The id and the email must have a column; the other fields need not."""
    assert matched(*names).missing == missing


def test_columns_of_a_previous_run_are_not_kept() -> None:
    """The columns that a results file adds are dropped, in upper or lower case."""
    own = [column.header for column in ResultColumn]
    header = matched("id", *own, "Update_Status ", "email", "update", "Updated by")
    kept = [header.names[index] for index in header.kept]
    assert kept == ["id", "email", "update", "Updated by"]


def test_two_columns_for_one_field_are_both_named() -> None:
    """The column to send is never guessed, and the message names both."""
    header = matched("id", "E-mail", "notes", "mail")
    with pytest.raises(InputError, match=r"row 1 has two columns for email: “E-mail” and “mail”;"):
        header.require_distinct()


def test_header_with_one_column_for_each_field_is_distinct() -> None:
    """Columns that are not sent may have the same name."""
    matched("id", "email", "Branch", "Branch", "", "").require_distinct()


def lookalikes(*names: str, rows: Sequence[Sequence[str]] = ()) -> dict[str, Field]:
    """Returns the columns beside id and email that look like fields."""
    header = matched("id", "email", *names)
    found = Lookalikes(header.names, header.columns, KNOWN)
    for row in rows:
        found.watch(["1", "sara@example.com", *row])
    return found.found


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Nom", Field.NAME),
        ("Full name (English)", Field.NAME),
        ("Phone 2", Field.PHONE),
        ("WhatsApp No", Field.PHONE),
        ("Phnoe", Field.PHONE),
        ("الجوال 2", Field.PHONE),
        ("Adress", Field.ADDRESS),
        ("Street address", Field.ADDRESS),
        ("Internal_notes", Field.NOTES),
    ],
)
def test_column_with_a_similar_name_looks_like_a_field(name: str, field: Field) -> None:
    """A header that contains a telling word, or is misspelt, may be meant for the field."""
    assert lookalikes("Branch", name) == {name: field}


@pytest.mark.parametrize(
    "name", ["", "Branch", "City", "Status", "Email address 2", "Date", "Total"]
)
def test_other_column_looks_like_no_field(name: str) -> None:
    """Most columns that are not sent are just that."""
    assert lookalikes(name, rows=[["Doha"]]) == {}


def test_field_that_has_a_column_needs_no_other() -> None:
    """A second phone would be an error if it were added to the aliases."""
    assert lookalikes("Mobile", "Phone 2", "Kontakt", rows=[["", "+97433123456", "33123456"]]) == {}


@pytest.mark.parametrize(
    ("texts", "is_phone"),
    [
        (["+974 33123456", "", "0097433123457"], True),
        (["33123456", "4412 5033"], True),
        (["0551234567", " ٣٣١٢٣٤٥٦ "], True),
        (["97433123456"] * 5 + ["none"], True),
        (["97433123456", "none"], False),
        (["12", "2024-05-12", "7"], False),
        (["10023456", "10023457"], False),
        (["", ""], False),
        (["Doha"], False),
    ],
)
def test_column_of_phone_numbers_looks_like_phone(texts: list[str], is_phone: bool) -> None:  # noqa: FBT001
    """Whatever its name, a column whose cells are mostly phone numbers may be meant for them."""
    found = lookalikes("Kontakt", "City", rows=[[text, "Doha"] for text in texts])
    assert found == ({"Kontakt": Field.PHONE} if is_phone else {})


def test_only_the_first_rows_are_looked_at() -> None:
    """A long file takes no more time for this than a short one."""
    assert lookalikes("Kontakt", rows=[["x"]] * 100 + [["+97433123456"]] * 900) == {}
