"""The examples' sources.yaml: every mapped column exists, every feed is labelled."""

import importlib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CANONICAL = {
    "customers": "customer_id full_name email phone postal_address jurisdiction age_years "
    "income_band marital_status home_ownership household_size household_composition kids_count",
    "transactions": "customer_id occurred_at value basket_id product_id category product_group "
    "quantity discount",
    "consent_events": "customer_id action occurred_at purpose recorded_at notice_version method "
    "channel language wording_hash evidence_ref signal",  # its subjects are adults: no given_by
    "rights_requests": "request_id customer_id type received_at status channel",
}
FILES = ("sources.yaml", "examples/cdnow/sources.yaml")


def load(file: str) -> dict:
    return YAML(typ="safe").load((ROOT / file).read_text())


@pytest.mark.parametrize("file", FILES)
def test_mapped_columns_exist_and_are_ours(file):
    for feed, block in load(file)["feeds"].items():
        module, function = block["entry_point"].split(":")
        table = getattr(importlib.import_module(module), function)()
        assert set(block["columns"]) <= set(CANONICAL[feed].split())
        assert set(block["columns"].values()) <= set(table.column_names)
        assert set(block["natural_key"]) <= set(block["columns"])
        assert "customer_id" in block["identifiers"]


@pytest.mark.parametrize("file", FILES)
def test_the_label_says_what_is_synthetic(file):
    assert "synthetic" in load(file)["label"].lower()
    assert "synthetic" in load(file)["feeds"]["consent_events"]["provenance"].lower()


def test_the_demo_maps_all_of_our_columns_and_calls_its_subjects_households():
    sources = load("sources.yaml")
    for feed, columns in CANONICAL.items():
        assert list(sources["feeds"][feed]["columns"]) == columns.split()
    assert "subject is a household" in sources["label"]
    assert sources["clock"] == "2018-01-01T05:00:00Z"
