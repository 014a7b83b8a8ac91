"""Pictures: deterministic, aggregates only."""

from datetime import date
from xml.etree import ElementTree

import pandas as pd
import pytest

from models import plots
from models.backtest import backtest
from models.cards import build_cards
from models.model import fit_model
from models.recipe import FEATURE_SETS, RFM, Recipe
from models.selection import Rule, choose
from tests.support.shoppers import shoppers

RECIPE = Recipe("kmeans", FEATURE_SETS["rfm and recent activity"], 3)


def drawings(count):
    frame = shoppers(count)
    cards = build_cards(frame, fit_model(frame, RECIPE), smallest=5)
    rule = Rule((3, 3), 5, stability=0.0, n_starts=1, stability_resamples=2, resamples=10)
    columns = [*RFM, "visits_8w", "value_8w", "following_visits", "following_value"]
    table = choose(frame[columns], rule).table
    report = backtest(frame, RECIPE, resamples=20)
    return {
        "sizes": lambda: plots.segment_sizes(cards),
        "profiles": lambda: plots.profiles(cards),
        "explained": lambda: plots.explained(report),
        "selection": lambda: plots.selection(table, 5),
    }


SMALL = drawings(90)
LARGE = drawings(400)


@pytest.mark.parametrize("name", SMALL)
def test_equal_input_gives_equal_bytes(name):
    one = SMALL[name]()
    text = plots.svg(one)
    assert plots.svg(one) == text
    assert plots.svg(SMALL[name]()) == text


@pytest.mark.parametrize("name", SMALL)
def test_it_is_svg_without_date_or_place(name):
    text = plots.svg(SMALL[name]())
    root = ElementTree.fromstring(text)  # noqa: S314 - our own output
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "dc:date" not in text
    assert "matplotlib.org" not in text.split("<defs>")[0]


@pytest.mark.parametrize("name", SMALL)
def test_more_subjects_make_no_more_marks(name):
    # Glyphs may differ (numbers do), marks may not: nothing is drawn per subject.
    few, many = (SMALL[name](), LARGE[name]())
    count = [
        sum(len(axes.patches) + len(axes.lines) + len(axes.collections) for axes in figure.axes)
        for figure in (few, many)
    ]
    assert count[0] == count[1]


LONG = "whatever could be objected to is said here, at length and in every detail, without an end"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("share", [-0.02, 0.0, 0.45, 1.0])
def test_long_labels_leave_room_for_the_bars(share):
    row = {
        "method": "kmeans", "feature_set": LONG, "scale": "rank", "segments": 8,
        "spend_share": share, "visits_share": share / 2, "stability": 0.91, "remark": LONG,
        "smallest": 123_456, "score": 1.0,
    }  # fmt: skip
    verdicts = ["chosen", "refused", "behind"]
    table = pd.DataFrame(
        [{**row, "candidate": i, "scale": str(i), "verdict": v} for i, v in enumerate(verdicts)]
    )
    figure = plots.selection(table, 50)
    assert plots.svg(figure)
    (axes,) = figure.axes
    assert axes.get_position().width > 0.4
    right = max(text.get_window_extent().x1 for text in axes.texts)
    assert right <= figure.get_window_extent().x1


def test_consents_at_the_top_are_seen_whole_and_where_there_are_none_it_says_so():
    months = (date(2024, 5, 1), date(2024, 6, 1))
    counts = [
        {"month": month, "purpose": purpose, "word": word, "by": "regime", "value": "gdpr",
         "subjects": 80}
        for month in months
        for purpose, words in (("asked", ("granted", "known", "permitted")),
                               ("unasked", ("known", "permitted")))
        for word in words
    ]  # fmt: skip
    figure = plots.consents(counts)
    assert plots.svg(figure)
    for number, axes in enumerate(figure.axes):
        said = [text.get_text() for text in axes.texts]
        if number in (1, 2, 5):
            (line,) = axes.lines
            assert max(line.get_ydata()) * 1.05 < axes.get_ylim()[1]
            assert (said, line.get_clip_on()) == ([], False)
        else:
            assert (said, list(axes.get_yticks())) == ([plots.NOTHING], [])


def test_numbers_get_the_digits_their_column_asks_for():
    shown = [
        plots._short(value, top)
        for value, top in ((0.345, 0.9), (0.0, 50.0), (0.5, 50.0), (9.97, 50.0), (41.2, 50.0))
    ]
    assert shown == ["0.34", "0", "0.5", "10", "41"]
    assert plots._short(12_345.0, 99_999.0) == "12k"
    assert plots._short(float("nan"), 1.0) == "-"
