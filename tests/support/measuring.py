"""What coverage is measured of: a plugin of pytest, which tests/conftest.py registers.

Belongs here: when measuring pauses and goes on. Does not belong here: which tests are measured.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage of what is unmeasured; its fixtures, the greatest part, are meant too."""
    with _measured(item.config, not item.get_closest_marker("unmeasured")):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Measure coverage of what all tests share: who comes first and has it made is chance."""
    with _measured(request.config, True) if fixturedef.scope == "session" else nullcontext():
        return (yield)


@contextmanager
def _measured(config: pytest.Config, wanted: bool) -> Iterator[None]:
    """Measure coverage or don't, where the session measures any; then go on as before."""
    plugin = config.pluginmanager.getplugin("_cov")
    controller = plugin.cov_controller if plugin else None
    if controller is None or controller.started == wanted:
        yield
        return
    turn, back = controller.resume, controller.pause
    if not wanted:
        turn, back = back, turn
    turn()
    try:
        yield
    finally:
        back()
