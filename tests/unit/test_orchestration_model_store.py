"""Which model is in force, whose segments are published, and when a fit is due."""

from datetime import date, datetime

import pytest

from governance.clocks import Clocks
from governance.policy.load import policy_hash
from orchestration import feeds, model_store
from orchestration.manifest import policy
from warehouse.home import PROJECT


def let_pass(where, text):
    """Judge nothing: what a test shows names nobody."""


DAY = date(2024, 3, 20)
MOMENT = datetime(2024, 3, 21)


@pytest.fixture(autouse=True)
def artefacts(home):
    """Make the folder that the first fit makes."""
    model_store.folder().mkdir()


@pytest.fixture
def unmapped(tmp_path, monkeypatch):
    """Let no feed map the discount of a line."""
    text = (PROJECT / "sources.yaml").read_text()
    assert "      discount: discount\n" in text
    (tmp_path / "sources.yaml").write_text(text.replace("      discount: discount\n", ""))
    monkeypatch.setenv("ASSENT_SOURCES", str(tmp_path / "sources.yaml"))
    feeds.feeds.cache_clear()
    yield
    feeds.feeds.cache_clear()


def facts(name, *features):
    known = {"fitted_as_of": str(DAY), "policy_hash": policy_hash(policy())}
    return {"folder": name, "features": features} | known


@pytest.mark.parametrize(
    ("features", "due"),
    [(("visits", "discount_share"), True), (("visits", "mix:DELI"), False), ((), False)],
)
def test_a_fit_is_due_once_a_feature_of_the_model_has_no_source(unmapped, features, due):
    model_store.point_to(facts("one", *features), let_pass)
    assert model_store.fit_is_due(Clocks(DAY, MOMENT, MOMENT, DAY)) == due
    past = Clocks(date(2024, 3, 19), MOMENT, MOMENT, DAY)
    assert not model_store.fit_is_due(past)


def test_no_fit_is_due_while_every_feature_has_a_source():
    feeds.feeds.cache_clear()
    model_store.point_to(facts("one", "visits", "discount_share", "mix:DELI"), let_pass)
    assert not model_store.fit_is_due(Clocks(DAY, MOMENT, MOMENT, DAY))


def before():
    return model_store.record()["previous"]


def test_a_model_whose_segments_were_never_published_is_not_the_one_before():
    model_store.point_to(facts("first"), let_pass)
    assert before() is None
    model_store.point_to(facts("second"), let_pass)
    assert before() is None  # no check has let the first pass
    model_store.publish()
    for name in ("third", "fourth", "fourth"):
        model_store.point_to(facts(name), let_pass)
        assert before() == "second"
    model_store.publish()
    model_store.point_to(facts("fourth"), let_pass)  # fitted once more, with the same result
    assert (before(), model_store.record()["published"]) == ("second", True)
    model_store.point_to(facts("fifth"), let_pass)
    assert before() == "fourth"
