"""The sandbox's clients, how they are normalised, and what somebody else does to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.sandbox.churn import Churn
from etl.sandbox.normal import normalised
from etl.sandbox.store import EVERY_ID, TEXT_FIELDS, Client, Store

SARA = Client(7, "Sara", "+97433123456", "sara@example.com", "Doha", "VIP")
IDS = st.integers(1, 12)


def contents(store: Store) -> dict[int, Client]:
    """Return all clients of a store."""
    return {client_id: store.get(client_id) for client_id in store.ids}


# Clients


def test_only_given_clients_exist() -> None:
    """Clients are given by id, with placeholder values, or with their own values, or both."""
    assert contents(Store(clients=[SARA])) == {7: SARA}
    assert list(Store([9, 3], [SARA]).ids) == [3, 7, 9]
    assert Store([7], [SARA]).get(7) == SARA
    assert list(Store([]).ids) == list(Store(clients=[]).ids) == []
    assert Store().ids == EVERY_ID


@given(
    deeds=st.lists(st.tuples(st.sampled_from(["put", "remove", "edit"]), IDS)),
    size=st.integers(1, 4),
)
def test_a_store_holds_what_somebody_else_leaves(deeds: list[tuple[str, int]], size: int) -> None:
    """After any additions, removals and edits, single clients, ids and pages agree with a dict."""
    store = Store(range(1, 7))
    model = contents(store)
    for number, (deed, client_id) in enumerate(deeds):
        if deed == "put":
            model[client_id] = Client(client_id, name=f"Name {number}")
            store.put(model[client_id])
        elif client_id not in model:
            with pytest.raises(KeyError):
                store.remove(client_id) if deed == "remove" else store.edit(client_id, name="x")
        elif deed == "remove":
            del model[client_id]
            store.remove(client_id)
        else:
            model[client_id] = store.edit(client_id, notes=f"Note {number}")
    assert contents(store) == model
    assert len(store) == len(model)
    pages = [store.page(number, size) for number in range(1, 14)]
    assert [client for page in pages for client in page] == [model[each] for each in sorted(model)]
    assert store.page(1, 99, keyword="note") == store.page(1, 99, keyword="NOTE")


def test_a_removed_client_comes_back_with_nothing_of_before() -> None:
    """A client that is removed and added again has only its new values."""
    store = Store([7])
    store.edit(7, notes="old")
    store.remove(7)
    assert 7 not in store
    store.put(Client(7, email="new@example.com"))
    assert store.get(7) == Client(7, email="new@example.com")


def test_a_removed_client_of_a_million_is_gone_from_the_list_too() -> None:
    """The default clients can be removed and added to, like a few."""
    store = Store()
    store.remove(2)
    store.put(Client(1_000_000))
    assert [client.id for client in store.page(1, 3)] == [1, 3, 4]
    assert (len(store), store.ids[-1]) == (len(EVERY_ID), 1_000_000)
    assert (2 in store, 3 in store, 1_000_001 in store) == (False, True, False)


def test_two_who_change_one_client_both_succeed() -> None:
    """An update and somebody else's edit at the same moment lose neither field."""
    store = Store([7])

    def edit(field: str) -> None:
        for number in range(500):
            assert getattr(store.edit(7, **{field: str(number)}), field) == str(number)

    with ThreadPoolExecutor(len(TEXT_FIELDS)) as pool:
        list(pool.map(edit, TEXT_FIELDS))
    assert store.get(7) == Client(7, *["499"] * len(TEXT_FIELDS))


@pytest.mark.parametrize(
    ("replaces", "expected"),
    [
        (False, Client(7, "Sara", "", "new@example.com", "Doha", "VIP")),
        (True, Client(7, email="new@example.com")),
    ],
)
def test_an_update_merges_or_replaces(replaces: bool, expected: Client) -> None:  # noqa: FBT001
    """An update keeps the fields that it leaves out, or clears them."""
    store = Store(clients=[SARA], replaces=replaces)
    assert store.update(7, {"email": "new@example.com", "phone": ""}) == expected
    assert store.get(7) == expected


def test_somebody_else_always_merges_and_is_not_normalised() -> None:
    """An edit is stored exactly as given, so that a test knows what the sandbox holds."""
    store = Store(clients=[SARA], replaces=True, normalises=True)
    assert store.edit(7, phone="00974 1").phone == "00974 1"
    assert store.get(7).notes == "VIP"


# Normalising


@pytest.mark.parametrize(
    ("field", "sent", "stored"),
    [
        ("phone", "+974 3312-3456", "+97433123456"),
        ("phone", "00974 (33) 123456", "+97433123456"),
        ("phone", " +٩٧٤ ٣٣١٢", "+9743312"),
        ("phone", "0 33 12", "03312"),
        ("phone", "3312+5", "33125"),
        ("phone", "", ""),
        ("email", " Sara@Example.COM ", "sara@example.com"),
        ("name", "  Sara \t Al  Ali ", "Sara Al Ali"),
        ("address", "Zone 7\nDoha", "Zone 7 Doha"),
        ("notes", " first\r\n  second \n", "first\n  second"),
    ],
)
def test_values_are_normalised(field: str, sent: str, stored: str) -> None:
    """Each field has its own rules."""
    assert normalised({field: sent}) == {field: stored}


@given(st.dictionaries(st.sampled_from(TEXT_FIELDS), st.text() | st.text("+0123456789٠ ")))
def test_a_normalised_value_stays_as_it_is(changes: dict[str, str]) -> None:
    """What is stored can be sent again and is stored as the same."""
    once = normalised(changes)
    assert once.keys() == changes.keys()
    assert normalised(once) == once


def test_an_update_answers_with_what_it_stored() -> None:
    """The client that an update returns has the normalised values."""
    store = Store(clients=[SARA], normalises=True)
    assert store.update(7, {"email": "S@X.com", "phone": "00 974"}).phone == "+974"
    assert store.get(7) == Client(7, "Sara", "+974", "s@x.com", "Doha", "VIP")


# Churn


@given(
    every=st.integers(1, 4),
    seed=st.integers(0, 5),
    requests=st.lists(st.none() | IDS, max_size=60),
)
def test_churn_spares_the_client_of_the_request(
    every: int, seed: int, requests: list[int | None]
) -> None:
    """One other client changes with every so many requests, and the same way each time."""
    store, again = Store(range(1, 9)), Store(range(1, 9))
    churn, same = Churn(store, every, seed), Churn(again, every, seed)
    for number, client_id in enumerate(requests, 1):
        before = contents(store)
        churn.count(client_id)
        same.count(client_id)
        after = contents(store)
        touched = [each for each in before | after if before.get(each) != after.get(each)]
        assert len(touched) == (number % every == 0)
        assert client_id not in touched
    assert contents(store) == contents(again)


def test_churn_changes_adds_changes_and_removes() -> None:
    """Clients come, go and change in turn; those that come have new ids."""
    store = Store(range(1, 10))
    churn = Churn(store, 1)
    sizes = []
    for _ in range(8):
        churn.count(None)
        sizes.append(len(store))
    assert sizes == [9, 10, 10, 9, 9, 10, 10, 9]
    changed = [client for client in store.page(1, 20) if "lse" in str(client)]
    assert {10, 11} <= {client.id for client in changed} | set(range(1, 12)) - set(store.ids)
    assert 2 < len(changed) <= 6


def test_churn_meets_clients_that_were_asked_for() -> None:
    """Of a million clients, those that somebody asks for are the ones that change."""
    store = Store()
    churn = Churn(store, 10)
    for number in range(200):
        churn.count(1024 + number % 40)
    untouched = Store()
    changed = [
        each
        for each in range(1024, 1064)
        if each not in store or store.get(each) != untouched.get(each)
    ]
    assert len(changed) >= 10


def test_churn_without_another_client_only_adds() -> None:
    """Where there is no other client, none is changed or removed, but a new one can come."""
    store = Store([7])
    Churn(store, 1).count(7)
    assert contents(store) == contents(Store([7]))
    empty = Store([])
    churn = Churn(empty, 1)
    churn.count(None)
    churn.count(None)
    assert list(empty.ids) == [1]


def test_another_seed_changes_other_clients() -> None:
    """The seed decides which clients and fields are changed."""
    stores = [Store(range(1, 100)) for _ in range(2)]
    for seed, store in enumerate(stores):
        churn = Churn(store, 1, seed)
        for _ in range(9):
            churn.count(None)
    assert contents(stores[0]) != contents(stores[1])
