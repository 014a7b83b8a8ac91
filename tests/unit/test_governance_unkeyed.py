"""What is kept in clear for good holds no key of a subject, at any depth."""

import json
from uuid import UUID

import pytest

from governance import evidence
from governance.unkeyed import require_unkeyed
from orchestration import model_store
from warehouse.errors import RuleBrokenError

KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"
HELD = [
    {"visits": {KEY: 3}},
    {"visits": [{"who": [KEY.upper()]}]},
    {"preview": f"| customer | visits |\n|---|---|\n| {KEY} | 3 |"},
    {"preview": json.dumps({KEY: 3})},
    {"who": UUID(KEY)},
]


@pytest.mark.parametrize("facts", HELD)
def test_facts_with_a_key_are_refused(home, facts):
    evidence.show("scores", {"subjects": 40})
    with pytest.raises(RuleBrokenError) as refused:
        evidence.show("scores", facts)
    assert "evidence/scores.json would hold a text of the shape of a subject's key" in str(
        refused.value
    )
    assert "only counts" in str(refused.value)
    assert KEY not in str(refused.value).lower()
    assert evidence.shown("scores")["subjects"] == 40


def test_so_is_a_file_that_is_called_by_one(home):
    with pytest.raises(RuleBrokenError) as refused:
        evidence.show(f"score of {KEY}", {"visits": 3})
    assert KEY not in str(refused.value)
    assert list(home.evidence.glob("*")) == []


def test_words_of_feeds_may_look_like_keys(home):
    category, other = KEY, KEY.replace("0f8fad5b", "1f8fad5b")
    evidence.show("scores", {"category": category.upper()}, words=lambda: [f"mix:{category}"])
    with pytest.raises(RuleBrokenError, match="hold 2 texts"):
        evidence.show("scores", {category: other})
    with pytest.raises(RuleBrokenError, match="hold a text"):
        evidence.show("scores", {category: other}, words=lambda: [category])


def test_words_are_asked_for_only_if_there_is_something(home):
    text = f"model 2024-03-20-5e884898, sha256:{64 * 'a'}"
    require_unkeyed("x", text, lambda: pytest.fail("asked"))


def test_what_is_put_beside_a_model_is_refused(home):
    model_store.folder("one").mkdir(parents=True)
    model_store.point_to({"folder": "one", "fitted_as_of": "2024-03-20"})
    texts = {"sizes.svg": "<svg/>", "segment_1.md": f"such as {KEY}"}
    for put in (
        lambda: model_store.show(texts, None),
        lambda: model_store.show({f"segment_{KEY}.md": "3"}, None),
        lambda: model_store.describe("one", texts),
        lambda: model_store.point_to({"folder": "one", "who": [KEY]}),
    ):
        with pytest.raises(RuleBrokenError):
            put()
    assert list(model_store.folder("one").iterdir()) == []
    assert "who" not in model_store.record()
    model_store.show(texts, None, lambda: [KEY])
    assert (model_store.folder("one") / "segment_1.md").read_text() == f"such as {KEY}"
