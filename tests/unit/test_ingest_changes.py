"""What a customer asks to have corrected: which values are taken, and what is said of others."""

import json

import pytest

from ingest.corrections import read
from warehouse.errors import UsageError


@pytest.mark.parametrize("age", ["15.6", "15.0", "1e1", "1_5", "-1", "131", "", "٣", 15.6, True])
def test_an_age_is_a_whole_number(age):
    with pytest.raises(UsageError, match="can't be the value of age_years"):
        read(json.dumps({"age_years": age}))


@pytest.mark.parametrize("age", [15, "15", " 015 "])
def test_a_whole_number_is_taken(age):
    assert read(json.dumps({"age_years": age})) == {"age_years": "15"}
