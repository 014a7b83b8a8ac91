"""Segment cards and the model card."""

import json
import re

import pandas as pd
import pytest

from models.backtest import backtest
from models.cards import build_cards, number
from models.effects import effect_table
from models.model import fit_model
from models.model_card import model_card
from models.naming import name_segments
from models.plots import profiles, svg
from models.recipe import FEATURE_SETS, Recipe
from models.selection import Rule, choose
from tests.support.shoppers import arrays_within, shoppers, shuffled

FRAME = shoppers(230)
FITTED = fit_model(FRAME, Recipe("kmeans", FEATURE_SETS["rfm and recent activity"], 3))
MODEL = FITTED.with_names(name_segments(effect_table(FRAME, FITTED.assign(FRAME), smallest=10)))
CARDS = build_cards(FRAME, MODEL, smallest=10, currency="USD")


def test_every_subject_is_on_one_card():
    assert [card.segment for card in CARDS] == [1, 2, 3]
    assert sum(card.size for card in CARDS) == 230
    assert sum(card.share for card in CARDS) == pytest.approx(1)


def test_a_card_leads_with_what_sets_the_segment_apart():
    for card in CARDS:
        assert card.features.effect.abs().is_monotonic_decreasing
        assert card.name in card.text
        assert card.character in card.text
        assert "Hedges' g" in card.text
    assert "USD per visit" in CARDS[0].text
    assert "currency" not in CARDS[0].text


def test_the_mix_is_the_mean_share_of_those_whose_mix_is_known():
    inside = FRAME[MODEL.assign(FRAME) == 2].category_mix.dropna()
    deli = CARDS[1].mix.set_index("category").loc["DELI"]
    assert deli["share"] == pytest.approx(sum(mix["DELI"] for mix in inside) / len(inside))
    everybody = FRAME.category_mix.dropna()
    assert deli.share_all == pytest.approx(sum(mix["DELI"] for mix in everybody) / len(everybody))
    assert CARDS[1].mix.difference.abs().is_monotonic_decreasing
    assert CARDS[1].mix["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("mix", [None, "absent"])
def test_no_categories_no_mix(mix):
    frame = FRAME.drop(columns="category_mix")
    cards = build_cards(frame if mix else frame.assign(category_mix=None), MODEL, smallest=1)
    assert all(card.mix.empty for card in cards)
    assert "| category |" not in cards[0].text


def test_a_category_that_too_few_bought_has_no_name():
    """Its name is free text, and may be the name of who bought it."""
    mixes = list(FRAME.category_mix)
    places = [place for place, mix in enumerate(mixes) if isinstance(mix, dict)]
    for place in places[:4]:
        mixes[place] = {"GROCERY": 0.25, "Kezia's wedding list": 0.5, f"only {place}": 0.25}
    frame = FRAME.assign(category_mix=mixes)
    cards = build_cards(frame, MODEL, smallest=5)
    for card in cards:
        told = card.text + json.dumps(card.as_dict())
        assert "wedding" not in told.lower()
        assert "only" not in told.lower()
        assert card.mix["share"].sum() == pytest.approx(1)
    others = cards[0].mix.set_index("category").loc["other categories"]
    assert others.share_all == pytest.approx(4 * 0.75 / len(places))
    named = build_cards(frame, MODEL, smallest=4)[0].mix.category
    assert "Kezia's wedding list" in set(named)


def test_a_card_tells_no_figure_and_no_mix_of_too_few():
    inside = MODEL.assign(FRAME) == 1
    lone = FRAME.index[inside][:4]
    kept = ~inside | FRAME.index.isin(lone)
    frame = FRAME.assign(
        gap_mean_days=FRAME.gap_mean_days.where(kept).mask(FRAME.index.isin(lone), 31_415.0),
        category_mix=FRAME.category_mix.where(kept).mask(FRAME.index.isin(lone), {"DELI": 1.0}),
    )
    before = {card.segment: card for card in build_cards(frame, MODEL, smallest=4)}
    assert "31,415" in before[1].text  # positive control
    assert not before[1].mix.empty
    cards = {card.segment: card for card in build_cards(frame, MODEL, smallest=5)}
    assert "| days | too few | too few | " in cards[1].text
    assert cards[1].mix.empty
    assert "mean share" not in cards[1].text
    others = frame.category_mix[~inside].dropna()
    deli = cards[2].mix.set_index("category").loc["DELI"]
    assert deli.share_all == pytest.approx(sum(mix["DELI"] for mix in others) / len(others))
    assert "31,415" not in "".join(card.text + str(card.as_dict()) for card in cards.values())
    assert svg(profiles(list(cards.values())))


def test_a_card_holds_nothing_per_subject():
    lengths = {size for array in arrays_within(CARDS) for size in array.shape}
    assert lengths
    assert max(lengths) < 30  # features, categories
    for card in CARDS:
        assert not any(str(index) in card.text for index in FRAME.index)


def test_cards_are_plain_values():
    told = json.loads(json.dumps([card.as_dict() for card in CARDS], allow_nan=False))
    assert told[0]["features"][0]["feature"] in FRAME.columns
    frame = FRAME.assign(gap_mean_days=FRAME.gap_mean_days.where(MODEL.assign(FRAME) != 1))
    unknown = build_cards(frame, MODEL, smallest=1)[0].as_dict()
    json.dumps(unknown, allow_nan=False)
    assert "| too few |" in build_cards(frame, MODEL, smallest=1)[0].text


def test_the_order_of_rows_plays_no_part():
    again = build_cards(shuffled(FRAME), MODEL, smallest=10, currency="USD")
    assert [card.text for card in again] == [card.text for card in CARDS]
    assert [card.as_dict() for card in again] == [card.as_dict() for card in CARDS]


def test_nobody_has_no_cards():
    with pytest.raises(ValueError, match="no subjects"):
        build_cards(FRAME.iloc[:0], MODEL, smallest=1)


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (12.34, "12.3"), (1.234, "1.23"), (float("nan"), "-")]
)
def test_numbers_have_about_three_digits(value, text):
    assert number(value) == text


def test_what_a_feed_calls_its_categories_stays_a_text():
    """Whatever renders a card would fetch the picture, and tell its owner who looks."""
    called = "DELI | ![x](http://example.org/x.png)<img src=x>"
    frame = FRAME.assign(
        category_mix=[
            None if mix is None else {called if c == "DELI" else c: v for c, v in mix.items()}
            for mix in FRAME.category_mix
        ]
    )
    recipe = Recipe("kmeans", ("recency_days", "visits", f"mix:{called}"), 3)
    fitted = fit_model(frame, recipe)
    fitted = fitted.with_names({s: f"Segment {s} of {called}" for s in fitted.ids})
    cards = build_cards(frame, fitted, smallest=1, remark=called)
    for text in (*(card.text for card in cards), model_card(fitted)):
        lowered = text.lower()
        assert "http://example.org" in lowered
        assert not re.search(r"(?<!\\)[\[\]<>]", lowered)
        for part in text.split("\n\n"):  # every row of a table has as many cells as the others
            rows = [line for line in part.splitlines() if line.startswith("|")]
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1


def test_the_model_card_says_how_it_was_chosen_and_how_good_it_is():
    rule = Rule((3, 3), 10, stability=0.0, n_starts=2, stability_resamples=2, resamples=20)
    choice = choose(FRAME.drop(columns="tenure_days"), rule)
    report = backtest(FRAME, MODEL.recipe, resamples=20)
    text = model_card(
        MODEL.with_facts(as_of="2017-12-31"),
        choice=choice,
        report=report,
        facts={"purpose": "segmentation"},
        remarks=["Households count as subjects."],
    )
    for part in (
        choice.reason,
        "Left out, without a source: tenure_days.",
        "The 3 segments explain",
        "| as_of | 2017-12-31 |",
        "| purpose | segmentation |",
        "- Households count as subjects.",
        "RFM-score quantiles, 3 segments",
        *(card.name for card in CARDS),
    ):
        assert part in text
    assert not any(str(index) in text for index in FRAME.index)


def test_the_model_card_does_without_choice_and_report():
    text = model_card(MODEL)
    assert "How it was chosen" not in text
    assert "## Limits" in text
    assert pd.Series(text.splitlines()).str.startswith("# ").sum() == 1
