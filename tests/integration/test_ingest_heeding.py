"""A feed that says again what was corrected, however it spells it."""

import pytest

from governance import identity, spelling
from tests.support.feeds import PEOPLE, ask, declared, fill, load, sources_in, vault, write_csv
from warehouse.connect import connected

pytestmark = pytest.mark.usefixtures("home")

OLD = {"full_name": "Zoë Lee", "email": "Mail14@plant.example", "jurisdiction": "EU"}
NEW = {"full_name": "Zoë Li", "email": "new@x.org", "jurisdiction": "US"}


def correct():
    """Keep in the vault what is right, as a rectification does."""
    with connected(*identity.stores()) as connection:
        identity.prepare(connection, ())
        spelling.teach(connection)
        for name, old in OLD.items():
            connection.execute(
                "insert into vault.corrections select subject_key, 'r1', ?,"
                f" {identity.refused_sql(name, '?', 'salt')}, ? from salts.salts",
                [name, old, NEW[name]],
            )


@pytest.mark.parametrize(
    ("said", "held"),
    [
        (OLD, NEW),
        ({"full_name": " Zoe\u0308 LEE", "email": "mail14@plant.example ",
          "jurisdiction": "\u00a0\uff25\uff35\u200b"}, NEW),
        ({"full_name": "Zoe Lee", "email": "mail15@plant.example", "jurisdiction": "U.K."}, None),
    ],
)  # fmt: skip
def test_the_old_value_is_the_old_value_however_it_is_spelt(tmp_path, said, held):
    fill(tmp_path, customers=[("ann", *OLD.values(), "41")])
    sources = sources_in(tmp_path, customers=declared("customers"))
    load(sources)
    correct()
    write_csv(tmp_path / "customers2.csv", PEOPLE, [("ann", *said.values(), "41")])
    load(sources)
    name, email, jurisdiction = (held or said).values()
    assert vault("select full_name, email from vault.identifiers") == [(name, email)]
    assert ask("select jurisdiction from landing.customers") == [(jurisdiction,)]


def test_nothing_but_blanks_is_nothing():
    with connected() as connection:
        spelling.teach(connection)
        spelling.teach(connection)
        query = f"select {spelling.alike_sql('x')} from (values (null), (''), (' \t')) as t(x)"
        assert connection.execute(query).fetchall() == [(None,)] * 3
