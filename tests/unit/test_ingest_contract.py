"""The landing contract: what dbt, lineage and the policy take for granted is what we land."""

import re

import pytest

from governance import identity, inbox
from governance.lineage.landing import LANDING
from governance.policy.words import (
    FEEDS,
    KEYS_OF_LANDING,
    TRANSACTION_ATTRIBUTES,
    WORD_FEEDS,
)
from ingest.contract import CONTRACTS, TRANSACTIONS, VAULT_COLUMNS
from ingest.landing import TABLES
from tests.support.landing import TABLES as AS_DBT_READS_THEM


def shape(columns: str) -> list[tuple[str, str]]:
    parts = re.findall(r"(\w+) (\w+(?:\(\d+, ?\d+\))?)", columns)
    return [(name, kind.upper().replace(" ", "")) for name, kind in parts]


def landed() -> dict[str, list[tuple[str, str]]]:
    return {name: [(c.name, c.type) for c in columns] for name, columns in TABLES.items()}


def test_the_tables_are_those_that_dbt_is_tested_with():
    for name, columns in AS_DBT_READS_THEM.items():
        if name != "clocks":  # written by the run, not by a load
            assert sorted(landed()[name]) == sorted(shape(columns)), name


def test_lineage_knows_every_column():
    for name, columns in landed().items():
        assert {column for column, _ in columns} == set(LANDING[f"landing.{name}"]), name


def test_the_policy_speaks_of_the_same_feeds_and_columns():
    assert set(FEEDS) == set(CONTRACTS)
    assert set(TRANSACTION_ATTRIBUTES) == {column.name for column in TRANSACTIONS.landed}


def test_no_purpose_can_take_the_name_of_a_key_of_landing():
    keys = {name.removesuffix("_key") for columns in landed().values() for name, _ in columns
            if name.endswith("_key")}  # fmt: skip
    assert keys == set(KEYS_OF_LANDING)
    assert identity.SUBJECT_LABEL in KEYS_OF_LANDING


@pytest.mark.parametrize("feed", WORD_FEEDS)
def test_the_inbox_has_the_columns_of_its_feeds(feed):
    kinds = {name: kind.split()[0].upper() for name, kind in inbox.COLUMNS[feed].items()}
    assert kinds == {column.name: column.type for column in CONTRACTS[feed].columns}


def test_no_direct_identifier_is_landed():
    for name, columns in landed().items():
        assert not set(VAULT_COLUMNS) & {column for column, _ in columns}, name


def test_natural_keys_are_columns():
    for contract in CONTRACTS.values():
        assert set(contract.natural_key) <= set(contract.names)
        assert {contract.time, contract.arrival} - {""} <= set(contract.names)
