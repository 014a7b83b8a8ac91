"""What every command does first: it takes over the clock that a sources file sets."""

import json
import os
from unittest.mock import patch

import pytest

from ingest.sources import SourcesError, parse_sources
from orchestration.environment import prepare
from tests.support.feeds import declared
from warehouse.clock import now
from warehouse.errors import UsageError

CLOCK = "2018-01-01T05:00:00Z"
FEEDS = json.dumps({name: declared(name) for name in ("transactions", "consent_events")})


@pytest.fixture
def entered(home, tmp_path):
    """Return what prepares this process for a sources file that has some more lines."""

    def enter(lines: str) -> str:
        content = f"version: 1\nfeeds: {FEEDS}\n{lines}"
        (tmp_path / "sources.yaml").write_text(content)
        os.environ.pop("ASSENT_NOW", None)
        prepare()
        return content

    mask = os.umask(0o077)
    with patch.dict(os.environ, {"ASSENT_SOURCES": str(tmp_path / "sources.yaml")}):
        yield enter
    os.umask(mask)


@pytest.mark.parametrize(
    "lines",
    [
        f"clock: '{CLOCK}'   # for a demo",
        f"clock : '{CLOCK}'",
        f"'clock': \"{CLOCK}\"",
        f"clock:\n  '{CLOCK}'",
        f"? clock\n: '{CLOCK}'",
    ],
)
def test_a_clock_is_found_however_it_is_written(entered, lines):
    assert parse_sources(entered(lines)).clock == now()


@pytest.mark.parametrize(
    "lines", ["", f"# clock: '{CLOCK}'", f"label: |\n  not a\n\n  clock: '{CLOCK}'"]
)
def test_what_is_no_clock_sets_none(entered, lines):
    assert parse_sources(entered(lines)).clock is None
    assert "ASSENT_NOW" not in os.environ


@pytest.mark.parametrize("lines", ["clock: [", f"clock: {CLOCK}"])
def test_a_faulty_file_is_told_when_it_is_read(entered, lines):
    content = entered(lines)
    assert "ASSENT_NOW" not in os.environ
    with pytest.raises(SourcesError):
        parse_sources(content)


@pytest.mark.parametrize("lines", [f"clock : '{CLOCK}'", f"clock: {CLOCK}"])
def test_production_refuses_a_clock_however_it_is_written(entered, monkeypatch, lines):
    monkeypatch.setenv("ASSENT_PRODUCTION", "1")
    with pytest.raises(UsageError, match="demos only"):
        entered(lines)
