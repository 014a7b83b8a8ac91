"""Fixtures that every kind of test may use."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import measuring
from tests.support.examples import register
from tests.support.installation import Demo, Installation, feeds, policy_with
from tests.support.shared import once
from warehouse.home import Home

TESTS = Path(__file__).parent
# Files whose tests run the whole chain again and again, or on much: `make test-slow` runs them. So
# it does single tests of other files that are marked.
SLOW = {
    "test_dbt_incremental", "test_docs_rights_on_the_demo", "test_examples_cdnow_run",
    "test_governance_backup_killed", "test_governance_bulk", "test_governance_custody",
    "test_governance_custody_vault", "test_governance_expiry", "test_governance_gate_what_ran",
    "test_governance_kept_newest", "test_governance_lapse",
    "test_governance_lost", "test_governance_query", "test_governance_rights_fitted",
    "test_governance_rights_known",
    "test_governance_rights_moments", "test_governance_rights_notices_owed",
    "test_governance_rights_numbers", "test_governance_rights_pending",
    "test_governance_rights_proofs", "test_governance_rights_returned",
    "test_governance_rights_steps", "test_governance_rights_taken", "test_ingest_added",
    "test_ingest_undone", "test_online_retail",
    "test_orchestration_aggregates", "test_orchestration_clock",
    "test_orchestration_compile_faults", "test_orchestration_killed",
    "test_orchestration_own_models", "test_orchestration_partial",
    "test_orchestration_removal", "test_orchestration_small_segments",
    "test_orchestration_told", "test_reproducibility", "test_warehouse_concurrency",
    "test_warehouse_left_states",
}  # fmt: skip
# Coverage makes what it measures half as long again. These files and folders run what the tests of
# its own room measure; their fixtures aren't measured either, but for those that all share.
UNMEASURED = SLOW | {
    "external", "properties", "ui", "test_dbt_isolation", "test_dbt_unit_tests",
    "test_governance_backup", "test_governance_bytes", "test_governance_canaries",
    "test_governance_consent", "test_governance_consent_asking", "test_governance_gate_closes",
    "test_governance_gate_python_assets", "test_governance_purge", "test_governance_receipt",
    "test_governance_rights_answers", "test_governance_rights_erasure",
    "test_governance_rights_notices", "test_governance_rights_rectification",
    "test_governance_rotation", "test_governance_unpublish", "test_governance_withdrawal",
    "test_ingest_corrections", "test_ingest_figures",
    "test_orchestration_blocking", "test_orchestration_graph", "test_orchestration_hostile",
    "test_orchestration_transform", "test_warehouse_kills",
}  # fmt: skip
SETTINGS = ("ASSENT_NOW", "ASSENT_POLICY", "ASSENT_SOURCES", "ASSENT_KEYS", "ASSENT_PRODUCTION",
            "ASSENT_ACTOR")  # fmt: skip
MEMORY, ENOUGH = Path("/dev/shm"), 8 << 30  # noqa: S108  # bytes; a whole session writes half of it


register()  # before Hypothesis looks for the profile that it is called with


def pytest_configure(config: pytest.Config) -> None:
    """Keep what tests write in memory, where there is room: their many small files sync often."""
    config.pluginmanager.register(measuring)  # of a folder's own hooks, shared fixtures call none
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, what no coverage is measured of, and properties."""
    for item in items:
        place = {*item.path.with_suffix("").relative_to(TESTS).parts}
        if place & SLOW:
            item.add_marker(pytest.mark.slow)
        if place & UNMEASURED:
            item.add_marker(pytest.mark.unmeasured)
        if "properties" in place:
            item.add_marker(pytest.mark.property)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Give a home of its own to the test; no setting of the developer's reaches it."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASSENT_HOME", str(tmp_path / "state"))
    return Home.current().make()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Compile the dbt project under the shipped policy, once; nothing has run in it."""

    def make(folder: Path) -> Installation:
        one = Installation(folder / "home")
        with one.entered():
            from orchestration.manifest import lineage

            lineage()
        return one

    made: Installation = once(tmp_path_factory, "compiled", make)
    return made


@pytest.fixture(scope="session")
def dbt_manifest(compiled: Installation) -> dict[str, Any]:
    """Return the manifest of the compiled dbt project as plain data; tests change copies only."""
    (path,) = [p for p in (compiled.home.dbt / "compiled").glob("*.json") if "." not in p.stem]
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    return manifest


@pytest.fixture(scope="session")
def demo(compiled: Installation, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the real demo once, as people do; no test changes it."""

    def make(folder: Path) -> Demo:
        (scratch := folder / "tmp").mkdir()
        one = compiled.fresh(folder / "home")
        done = one.process("run", TMPDIR=str(scratch))
        return Demo(one.root, done=done, scratch=scratch)

    made: Demo = once(tmp_path_factory, "demo", make)
    return replace(made, root=made.copy(tmp_path_factory.mktemp("demo") / "home").root)


@pytest.fixture(scope="session")
def small(compiled: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Run the chain once on small generated feeds; tests change copies only."""

    def make(folder: Path) -> Installation:
        one = compiled.fresh(
            folder / "home", sources=feeds(folder / "feeds"), policy=policy_with(folder)
        )
        one.run()
        return one

    made: Installation = once(tmp_path_factory, "small", make)
    return made.copy(tmp_path_factory.mktemp("small") / "home")


@pytest.fixture(scope="session")
def story(small: Installation, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Play the weeks of `tests.support.story` once."""
    from tests.support.story import play

    made = once(tmp_path_factory, "story", lambda folder: play(small, folder))
    root = tmp_path_factory.mktemp("story") / "home"
    return replace(made, installation=made.installation.copy(root))
