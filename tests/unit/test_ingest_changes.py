"""What a customer asks to have corrected: which values are taken, and what is said of others."""

import json

import pytest

from ingest.corrections import COLUMNS, read
from warehouse.errors import UsageError


@pytest.mark.parametrize("age", ["15.6", "15.0", "1e1", "1_5", "-1", "131", "", "٣", 15.6, True])
def test_an_age_is_a_whole_number(age):
    with pytest.raises(UsageError, match="can't be the value of age_years"):
        read(json.dumps({"age_years": age}).encode())


@pytest.mark.parametrize("age", [15, "15", " 015 "])
def test_a_whole_number_is_taken(age):
    assert read(json.dumps({"age_years": age}).encode()) == {"age_years": "15"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"email": "canary\xff"}', "aren't valid UTF-8"),
        (b"[" * 100_000, "are no JSON object"),
        (b'{"email": ' * 100_000, "are no JSON object"),
        (b'{"email": "canary", "email": 5}', "name a column twice"),
        (b'{"email": {"a": "canary", "a": 5}}', "name a column twice"),
        (b'{"email": 5}', "can't be the value of email"),
        (b'{"email": ["canary"]}', "can't be the value of email"),
        (rb'{"email": "canary\ud800"}', "can't be the value of email"),
        (rb'{"email": "canary\u0000@x.org"}', "can't be the value of email"),
        (rb'{"email": "\u0000"}', "can't be the value of email"),
        (rb'{"\ud800": "canary"}', "name a column that customers don't have"),
    ],
)
def test_what_no_column_can_hold_is_refused_without_a_word_of_it(content, said):
    with pytest.raises(UsageError, match=said) as refused:
        read(content)
    assert "canary" not in str(refused.value)


def test_texts_are_taken_as_they_are():
    said = "\ufeff" + json.dumps({"full_name": " Zoë ", "postal_address": "Plant Street 1\nKöln"})
    assert read(said.encode()) == {"full_name": "Zoë", "postal_address": "Plant Street 1\nKöln"}


@pytest.mark.parametrize("name", sorted(COLUMNS.keys() - {"age_years"}))
def test_null_says_that_there_is_none(name):
    assert read(json.dumps({name: None}).encode()) == {name: None}


def test_nobody_grows_up_by_null():
    with pytest.raises(UsageError, match="a child would count as grown up"):
        read(b'{"age_years": null}')
