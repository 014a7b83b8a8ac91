"""What is kept in clear for good holds no key of a subject, at any depth."""

import json
from uuid import UUID, uuid4

import duckdb
import pytest

from governance.unkeyed import require_unkeyed
from orchestration import model_store
from warehouse.errors import RuleBrokenError

KEY, OWN = "0f8fad5b-d9cb-469f-a165-70867728950e", "1f8fad5b-d9cb-469f-a165-70867728950e"
HELD = [
    {"visits": {KEY: 3}},
    {"visits": [{"who": [KEY.upper()]}]},
    {"preview": f"| customer | visits |\n|---|---|\n| {KEY} | 3 |"},
    {"preview": json.dumps({KEY: 3})},
    {"who": UUID(KEY)},
    {"who": UUID(KEY).hex},
    {"who": OWN},
]


@pytest.fixture
def connection():
    """A warehouse with one subject, by its own key (OWN) and by that of a purpose (KEY)."""
    with duckdb.connect() as connection:
        connection.execute(
            "create schema landing; create table landing.purpose_keys as select"
            f" '{OWN}'::uuid as subject_key, 'segmentation' as purpose,"
            f" '{KEY}'::uuid as purpose_key"
        )
        yield connection


@pytest.fixture
def judge(connection):
    return lambda where, text: require_unkeyed(connection, where, text)


@pytest.mark.parametrize("facts", HELD)
def test_facts_with_a_key_are_refused(judge, facts):
    with pytest.raises(RuleBrokenError) as refused:
        judge("evidence/scores.json", json.dumps(facts, default=str))
    said = str(refused.value)
    assert "evidence/scores.json would hold the key of a subject" in said
    assert "only counts" in said
    assert KEY not in said.lower()


def test_so_is_a_file_that_is_called_by_one_and_the_message_repeats_it_not(judge):
    with pytest.raises(RuleBrokenError) as refused:
        judge(f"score of {KEY}", f"{KEY} {OWN}")
    assert "hold 2 keys of subjects" in str(refused.value)
    assert KEY not in str(refused.value)


def test_ids_of_anything_else_and_hashes_are_let_pass(judge):
    others = f"mix:{uuid4()}, ticket {uuid4().hex}, sha256:{64 * 'a'}"
    assert judge("x", others) is None
    with pytest.raises(RuleBrokenError):  # positive control
        judge("x", f"{others} {KEY}")


def test_nobody_is_asked_if_nothing_has_the_shape():
    assert require_unkeyed(None, "x", "model 2024-03-20-5e884898") is None
    with pytest.raises(AttributeError):  # positive control: there is nobody to ask
        require_unkeyed(None, "x", KEY)


def test_what_is_put_beside_a_model_is_refused_whole(home, judge):
    model_store.folder("one").mkdir(parents=True)
    model_store.point_to({"folder": "one", "fitted_as_of": "2024-03-20"}, judge)
    model_store.show({"sizes.svg": "before"}, None, judge)
    texts = {"profiles.svg": "<svg/>", "segment_1.md": f"such as {KEY}"}
    for put in (
        lambda: model_store.show(texts, None, judge),
        lambda: model_store.show({f"segment_{KEY}.md": "3"}, None, judge),
        lambda: model_store.describe("one", texts, judge),
        lambda: model_store.point_to({"folder": "one", "who": [KEY]}, judge),
    ):
        with pytest.raises(RuleBrokenError):
            put()
    (shown,) = model_store.folder("one").iterdir()
    assert shown.read_text() == "before"
    assert "who" not in model_store.record()
