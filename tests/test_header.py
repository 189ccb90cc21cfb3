"""Headers name the fields in any spelling, and a field is never guessed."""

from __future__ import annotations

import pytest

from etl.errors import InputError
from etl.extract.header import ALIASES, Header, header_key, known_names, match
from etl.fields import Field, ResultColumn

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
    ],
)
def test_header_is_found_in_any_spelling(name: str, field: Field) -> None:
    """Case, spacing, punctuation, invisible characters and variants of letters do not matter."""
    assert matched(name).columns == {field: 0}


@pytest.mark.parametrize("name", ["", " ", "-", "ids", "id 2", "email sent", "client", "رقم"])
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
