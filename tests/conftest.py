"""Fixtures that every kind of test may use."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.installation import Done, Installation, feeds
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


@dataclass(frozen=True)
class Demo(Installation):
    """The demo after `assent run`, with what that said and its folder for temporary files."""

    done: Done = field(default_factory=lambda: Done(0, "", ""))
    scratch: Path = Path()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the real demo once, as people do; no test changes it (group its tests: "demo")."""
    folder = tmp_path_factory.mktemp("demo")
    scratch = folder / "tmp"
    scratch.mkdir()
    root = folder / "home"
    done = Installation(root).process("run", TMPDIR=str(scratch))
    return Demo(root, done=done, scratch=scratch)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Run the chain once on small generated feeds; tests change copies only (group: "small")."""
    folder = tmp_path_factory.mktemp("small")
    installation = Installation(folder / "home", sources=feeds(folder / "feeds"))
    installation.run()
    return installation


@pytest.fixture(scope="session")
def story(small: Installation, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Play the weeks of `tests.support.story` once (group: "small")."""
    from tests.support.story import play

    return play(small, tmp_path_factory.mktemp("story"))
