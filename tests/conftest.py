"""Fixtures that every kind of test may use."""

from pathlib import Path

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
