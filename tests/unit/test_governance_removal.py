"""A purpose that the policy no longer has leaves nothing published, no table and no key."""

from types import SimpleNamespace

import pytest

from governance import removal
from governance.policy.words import PERMISSION
from governance.removal import withdraw_removed
from warehouse import journal
from warehouse.connect import connected, warehouse_store
from warehouse.publish import STEPS, publish, published_purposes

OFFERS = SimpleNamespace(purposes={"offers": None})
BOTH = SimpleNamespace(purposes={"offers": None, "offers_by_mail": None})


@pytest.fixture
def landed(home):
    """Two purposes, the name of one beginning like the other's, as a run leaves them."""
    with connected(warehouse_store()) as connection:
        for schema in ("landing", "consented", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(
            "create table landing.purpose_keys as"
            " select uuid() as subject_key, unnest(['offers', 'offers_by_mail']) as purpose,"
            " uuid() as purpose_key"
        )
        connection.execute(
            "create table consented.int_consent_permitted as from landing.purpose_keys"
        )
        for purpose in BOTH.purposes:
            for name in (f"mart_{purpose}", f"mart_{purpose}_backtest"):
                connection.execute(
                    f"create table marts.{name} as select uuid() as {purpose}_key, 1 as visits"
                )
            connection.execute(
                f"create view consented.int_{purpose}_baskets as from marts.mart_{purpose}"
            )
    tables = {"t": "select 1 as x"}
    publish({PERMISSION: tables, "offers": tables, "offers_by_mail": tables})
    return home


def held():
    """Return which tables and views there are, and whose keys."""
    with connected(warehouse_store()) as connection:
        names = connection.execute(
            "select table_name from information_schema.tables where table_catalog = 'warehouse'"
        ).fetchall()
        keys = connection.execute(
            "select distinct purpose from landing.purpose_keys union all"
            " select distinct purpose from consented.int_consent_permitted order by all"
        ).fetchall()
    return {name for (name,) in names}, [purpose for (purpose,) in keys]


SHARED = {"purpose_keys", "int_consent_permitted"}
OF_OFFERS = {"mart_offers", "mart_offers_backtest", "int_offers_baskets"}


@pytest.mark.parametrize(
    ("left", "gone"), [("offers", "offers_by_mail"), ("offers_by_mail", "offers")]
)
def test_what_was_made_for_it_goes_and_nothing_else(landed, left, gone):
    assert withdraw_removed(SimpleNamespace(purposes={left: None})) == [gone]
    assert published_purposes() == [left, PERMISSION]
    of_left = {name.replace("offers", left) for name in OF_OFFERS}
    assert held() == (SHARED | of_left, [left, left])
    assert journal.complete(STEPS) == []
    assert withdraw_removed(SimpleNamespace(purposes={left: None})) == []


def test_nothing_goes_while_the_policy_has_it(landed):
    before = held()
    assert withdraw_removed(BOTH) == []
    assert held() == before
    assert published_purposes() == ["offers", "offers_by_mail", PERMISSION]


def test_what_a_kill_leaves_is_removed_by_the_next_run(landed, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("warehouse.publish.remove", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw_removed(OFFERS)
    assert "offers_by_mail" in published_purposes()
    assert journal.complete(STEPS) == ["withdraw"]
    assert "offers_by_mail" not in published_purposes()
    with monkeypatch.context() as patched:
        patched.setattr(removal, "_drop", killed)
        with pytest.raises(KeyboardInterrupt):
            withdraw_removed(OFFERS)
    assert withdraw_removed(OFFERS) == ["offers_by_mail"]
    assert held() == (SHARED | OF_OFFERS, ["offers", "offers"])


def test_what_other_layers_hold_stays_whatever_its_columns_are_called(landed):
    with connected(warehouse_store()) as connection:
        connection.execute("create table landing.others as select uuid() as offers_by_mail_key")
        connection.execute("create schema offers_by_mail")
        connection.execute(
            "create table offers_by_mail.assignments as select uuid() as offers_by_mail_key"
        )
    assert withdraw_removed(OFFERS) == ["offers_by_mail"]
    assert held()[0] == SHARED | OF_OFFERS | {"others"}


def test_a_file_alone_is_withdrawn(home):
    """The warehouse may have been moved away to start afresh."""
    with connected(warehouse_store()):
        pass
    publish({"offers": {"t": "select 1 as x"}, "gone": {"t": "select 1 as x"}})
    home.warehouse.unlink()
    (home.published / "gone-copy.duckdb").touch()  # no name of a purpose
    assert withdraw_removed(OFFERS) == ["gone"]
    assert published_purposes() == ["offers"]
    assert (home.published / "gone-copy.duckdb").exists()
    assert not home.warehouse.exists()
