"""What several properties are tried upon."""

import pytest

from tests.support.permission_histories import Scenario, crowds_of
from tests.support.shared import once


@pytest.fixture(scope="session")
def crowds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, ...]:
    """Draw crowds once; drawing takes longer than looking at them."""
    drawn: tuple[Scenario, ...] = once(tmp_path_factory, "crowds", lambda _: crowds_of())
    return drawn
