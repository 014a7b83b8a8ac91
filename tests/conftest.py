"""Fixtures that every kind of test may use."""

from pathlib import Path
from typing import Any

import pytest

from warehouse.home import Home

SETTINGS = ("ASSENT_NOW", "ASSENT_POLICY", "ASSENT_SOURCES", "ASSENT_KEYS", "ASSENT_PRODUCTION",
            "ASSENT_ACTOR")  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Give a home of its own to the test; no setting of the developer's reaches it."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASSENT_HOME", str(tmp_path / "state"))
    return Home.current().make()


@pytest.fixture(scope="session")
def dbt_manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Parse the dbt project under the shipped policy, once, and give its manifest as plain data."""
    from tests.support import dbt

    return dbt.parsed(tmp_path_factory.mktemp("dbt_manifest") / "home")
