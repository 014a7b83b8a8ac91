"""Python that segments by what it may not: found by `assent check`, and it stops the run."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import dagster as dg
import pytest

from governance.lineage.build import build
from governance.policy.load import load_policy
from models import features
from orchestration import columns
from warehouse.home import PROJECT, ROOMS

SEGMENTS, FEATURES = "orchestration/segments.py", "models/features.py"
STORE = "models/store.py"

# What a user might add, who has read nothing.
EXTRA = """
from pathlib import Path

import dagster as dg

from warehouse.home import Home


@dg.asset(key=["segmentation", "scores"])
def scores():
    (Home.current().root / "scores.csv").write_text("a customer,0.7")
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A copy of the code that segments, which the gate takes for ours."""
    for room in ("models", "orchestration"):
        shutil.copytree(PROJECT / room, tmp_path / room)
    monkeypatch.setattr("orchestration.columns.ROOT", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def traced(dbt_manifest):
    """The lineage of dbt's models, and the policy: what the Python assets are added to."""
    return build(dbt_manifest), load_policy(PROJECT / "policy.yaml")


def declare(monkeypatch, name):
    added = replace(features.FEATURES["visits"], name=name)
    monkeypatch.setattr("orchestration.columns.FEATURES", {**features.FEATURES, name: added})


@pytest.mark.parametrize("name", ["age_years", "email", "age"])
def test_a_feature_that_no_mart_may_have(small, monkeypatch, name):
    declare(monkeypatch, name)
    done = small.assent("check")
    assert done.status == 1, done.said
    assert f"minimisation.segmentation (violation): segmentation.model.{name}" in done.err
    assert f"reads mart_segmentation.{name}" in done.err
    assert "->" in done.err
    assert "Traceback" not in done.said


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        (SEGMENTS, "import duckdb", "imports duckdb"),
        (SEGMENTS, "import orchestration.writer", "imports orchestration.writer"),
        (SEGMENTS, "def f():\n    from warehouse import connect", "imports warehouse.connect"),
        (SEGMENTS, "def f(marts): return marts._connection", "calls _connection"),
        (SEGMENTS, "from governance import identity", "imports governance.identity"),
        (FEATURES, "import duckdb", "imports duckdb"),
        (FEATURES, "from . import store", "imports ..store"),
        (FEATURES, "ages = pd.read_csv('customers.csv')", "calls read_csv"),
        (FEATURES, "ages = open('customers.csv')", "calls open"),
        (FEATURES, "ages = np.loadtxt('customers.csv')", "calls loadtxt"),
        (FEATURES, "ages = np.load('customers.npy', allow_pickle=True)", "calls load"),
        (FEATURES, "from numpy import load as f", "imports numpy.load"),
        (FEATURES, "from pandas import read_csv", "imports pandas.read_csv"),
        (STORE, "ages = np.load('customers.npy', allow_pickle=True)", "calls load"),
        (FEATURES, "np.save('ages.npy', [1])", "calls save"),
        (FEATURES, "np.savez_compressed('ages.npz', [1])", "calls savez_compressed"),
        (FEATURES, "np.savetxt('ages.txt', [1])", "calls savetxt"),
        (FEATURES, "ages = np.genfromtxt('customers.csv')", "calls genfromtxt"),
        (FEATURES, "ages = np.fromfile('customers')", "calls fromfile"),
        (FEATURES, "np.ones(1).tofile('ages')", "calls tofile"),
        (FEATURES, "np.ones(1).dump('ages')", "calls dump"),
        (FEATURES, "ages = np.memmap('customers')", "calls memmap"),
        (FEATURES, "ages = np.lib.npyio.DataSource().exists('x')", "calls DataSource"),
        (FEATURES, "def f(frame): frame.to_pickle('x')", "calls to_pickle"),
        (FEATURES, "def f(frame): frame.to_parquet('x')", "calls to_parquet"),
        (FEATURES, "ages = pd.HDFStore('x')", "calls HDFStore"),
        (FEATURES, "from scipy.io import loadmat", "imports scipy.io.loadmat"),
        (FEATURES, "import scipy\nages = scipy.io.mmread('x')", "calls mmread"),
        (FEATURES, "import sklearn\nages = sklearn.utils.joblib.load('x')", "calls joblib"),
        (FEATURES, "import joblib", "imports joblib"),
        (FEATURES, "import pyarrow.parquet", "imports pyarrow.parquet"),
        (SEGMENTS, "def f(marts): return vars(marts)", "calls vars"),
        (SEGMENTS, "def f(marts): return marts.__dict__", "calls __dict__"),
        (SEGMENTS, "def f(marts): return marts.frame.__globals__", "calls __globals__"),
        (SEGMENTS, "def f(marts): return marts.judge().__closure__", "calls __closure__"),
        (SEGMENTS, "def f(marts): return getattr(marts, 'x')", "calls getattr"),
        (SEGMENTS, "f = globals()", "calls globals"),
        (SEGMENTS, "def f(some): return some.gi_frame", "calls gi_frame"),
        (SEGMENTS, "f = __builtins__", "calls __builtins__"),
        (SEGMENTS, "import gc", "imports gc"),
        (
            SEGMENTS,
            "def f(marts): return marts.frame('mart_bias_monitoring', None)",
            "asks for mart_bias_monitoring",
        ),
        (SEGMENTS, "import inspect", "imports inspect"),
        (SEGMENTS, "from orchestration.door import _BEHIND", "imports orchestration.door._BEHIND"),
        (SEGMENTS, "from orchestration.door import Writer", "imports orchestration.door.Writer"),
        (SEGMENTS, "import dagster", "imports dagster"),
        (SEGMENTS, "from models.cards import _mixes", "imports models.cards._mixes"),
        (FEATURES, "def f(frame): return frame.eval('@marts')", "calls eval"),
        (SEGMENTS, "def f(place): place.write_text('a customer')", "calls write_text"),
        (SEGMENTS, "def f(place): place.write_bytes(b'a customer')", "calls write_bytes"),
        (SEGMENTS, "def f(place): (place / 'a customer').touch()", "calls touch"),
        (SEGMENTS, "def f(place): (place / 'a customer').mkdir()", "calls mkdir"),
        (SEGMENTS, "from pathlib import Path", "imports pathlib.Path"),
        (SEGMENTS, "import warehouse.journal", "imports warehouse.journal"),
        (
            SEGMENTS,
            "from warehouse.journal import write_durably",
            "imports warehouse.journal.write_durably",
        ),
        (
            SEGMENTS,
            "from orchestration.model_store import write_durably",
            "imports orchestration.model_store.write_durably",
        ),
        (SEGMENTS, "f = evidence.write_durably", "calls write_durably"),
        (SEGMENTS, "from pandas import *", "imports pandas.*"),
        (FEATURES, "from zipfile import ZipFile", "imports zipfile.ZipFile"),
        (FEATURES, "def f(figure): figure.canvas.print_png('x')", "calls print_png"),
        (
            FEATURES,
            "import sklearn\nf = sklearn.datasets.dump_svmlight_file",
            "calls dump_svmlight_file",
        ),
    ],
)
def test_code_that_reads_past_the_door(traced, code, file, line, said):
    with (code / file).open("a") as source:
        source.write(f"\n{line}\n")
    last = len((code / file).read_text().splitlines())
    model = columns.with_python_assets(*traced).relations[columns.MODEL]
    assert f"{file}, line {last}, {said}" in model.unread


def test_code_in_a_folder_below_is_read(traced, code):
    own = code / "models" / "own"
    (own / "deep").mkdir(parents=True)
    (own / "__init__.py").write_text("import duckdb\n")
    (own / "deep" / "scores.py").write_text("import duckdb\n")
    unread = columns.with_python_assets(*traced).relations[columns.MODEL].unread
    assert "models/own/__init__.py, line 1, imports duckdb" in unread
    assert "models/own/deep/scores.py, line 1, imports duckdb" in unread
    assert {"models", "models.own", "models.own.deep.scores"} <= columns.code_modules()


def test_what_leaves_no_file_is_no_false_alarm(traced, code):
    with (code / FEATURES).open("a") as source:
        source.write(
            "\ndef f(frame, text):\n"
            "    print(frame.rename(columns={}).replace(1, 2), text.replace('a', 'b'))\n"
            "    frame.to_numpy().flags.writeable = False\n"
        )
    assert columns.with_python_assets(*traced).relations[columns.MODEL].unread == ()


def test_what_cant_be_judged_is_said(small, code):
    assert small.assent("check").status == 0
    with (code / FEATURES).open("a") as source:
        source.write("\nimport duckdb\n")
    last = len((code / FEATURES).read_text().splitlines())
    done = small.assent("check")
    assert done.status == 1, done.said
    assert "minimisation.segmentation (gap): segmentation.model can't be judged" in done.err
    assert f"{FEATURES}, line {last}, imports duckdb, and could read past the door" in done.err
    assert "-> take it out: rows are read by orchestration/door.py alone" in done.err
    assert "Traceback" not in done.said


@pytest.mark.slow
def test_both_stop_the_run(small, code, monkeypatch, tmp_path):
    one = small.copy(tmp_path / "home")
    before = (one.home.published / "segmentation.duckdb").read_bytes()
    declare(monkeypatch, "age_years")
    with (code / SEGMENTS).open("a") as source:
        source.write("\nimport duckdb\n")
    # A run of Python alone, too, though what was judged of the marts stands.
    for selection in (["--select", 'key:"segmentation/segments" or group:release'], []):
        done = one.assent("run", *selection)
        assert done.status == 1, done.said
        assert "minimisation.segmentation (violation): segmentation.model.age_years" in done.err
        assert "minimisation.segmentation (gap): segmentation.model" in done.err
        assert (one.home.published / "segmentation.duckdb").read_bytes() == before


@pytest.fixture
def judged(small):
    """What is said of assets and whatever else is added to the definitions, by asset."""
    with small.entered():
        from orchestration.definitions import defs
        from orchestration.told import untold

        def judge(*assets, but=None, **others):
            ours = [a for a in defs.assets if but is None or dg.AssetKey(but) not in a.keys]
            first = dg.Definitions(assets=ours, resources=defs.resources)
            merged = dg.Definitions.merge(first, dg.Definitions(assets=assets, **others))
            return {f.asset: f.what for f in untold(merged)}

        yield judge


def made_in(module, key, deco=dg.asset, **described):
    def compute():
        return None

    compute.__module__ = module
    return deco(key=key, **described)(compute)


def test_an_asset_that_nobody_told_about(judged):
    extra = made_in("orchestration.extra", ["segmentation", "scores"])
    beside = made_in("orchestration.published", ["release", "all"])
    # Its place is told and its code isn't, by a step of a graph: what is made there is as unknown.
    step = dg.op(name="step")(lambda: None)
    graph = dg.AssetsDefinition.from_graph(
        dg.GraphDefinition("landed", node_defs=[step], output_mappings=[
            dg.OutputMapping("result", mapped_node_name="step", mapped_node_output_name="result")
        ]), keys_by_output_name={"result": dg.AssetKey(["landing", "loads"])},
    )  # fmt: skip
    found = judged(extra, beside, graph)
    assert set(found) == {"segmentation.scores", "release.all", "landing.loads"}
    assert "nobody has told what it is made from" in found["segmentation.scores"]
    assert "its code is in orchestration.extra, which the gate doesn't" in found[
        "segmentation.scores"
    ]  # fmt: skip
    assert "its code is" not in found["release.all"]
    assert "nobody has told" not in found["landing.loads"]
    assert f"its code is in {__name__}" in found["landing.loads"]


def test_an_asset_by_the_door_is_read_where_its_code_is(judged, monkeypatch):
    from orchestration import door, told

    graph = told.lineage()
    monkeypatch.setattr(
        "orchestration.told.lineage",
        lambda: graph.with_python("segmentation.scores", {"score": []}, purpose="segmentation"),
    )

    def by_the_door(module):
        def compute(marts):
            return None

        compute.__module__ = module
        return door.asset("scores")(compute)

    assert judged(by_the_door("orchestration.segments")) == {}
    found = judged(by_the_door("orchestration.extra"))
    assert list(found) == ["segmentation.scores"]
    assert "its code is in orchestration.extra" in found["segmentation.scores"]
    assert "nobody has told" not in found["segmentation.scores"]


FILES = dg.FilesystemIOManager()


@pytest.mark.parametrize(
    ("described", "resources", "place"),
    [
        ({"io_manager_key": "files"}, {"files": FILES}, "files"),
        ({"io_manager_def": FILES}, {}, "segmentation__model__io_manager"),
        ({"resource_defs": {"io_manager": dg.fs_io_manager}}, {}, "io_manager of its own"),
    ],
)
def test_an_asset_whose_values_would_be_stored(judged, described, resources, place):
    """Told about and read as it is: only where its value goes is wrong."""
    model = made_in("orchestration.segments", ["segmentation", "model"], **described)
    assert judged(model, resources=resources, but=["segmentation", "model"]) == {
        "segmentation.model": f"would have values stored in clear, where no erasure looks: {place}"
    }


@pytest.mark.parametrize("others", [{}, {"io_manager": FILES}])
def test_definitions_that_would_store_values(small, others):
    with small.entered():
        from orchestration.definitions import defs
        from orchestration.told import untold

        resources = {n: r for n, r in defs.resources.items() if n != "io_manager"} | others
        (found,) = untold(dg.Definitions(assets=defs.assets, resources=resources))
    assert "would store values of assets in clear" in found.what
    assert found.place == "orchestration/definitions.py"
    assert "NoValues()" in found.remedy


def test_what_holds_nothing_may_be_added(judged):
    @dg.job
    def job():
        pass

    @dg.sensor(job=job)
    def sensor():
        yield dg.SkipReason("nothing")

    @dg.asset_check(asset=["marts", "mart_segmentation"])
    def check():
        return dg.AssetCheckResult(passed=True)

    elsewhere = dg.AssetSpec(["dashboards", "segments"], deps=[["release", "published_x"]])
    assert judged(elsewhere, jobs=[job], sensors=[sensor], asset_checks=[check]) == {}


def test_such_an_asset_is_refused_before_anything_runs(compiled, tmp_path):
    one = compiled.fresh(tmp_path / "home")
    ours = tmp_path / "project"
    for room in (*ROOMS, "dbt_project"):
        shutil.copytree(
            PROJECT / room, ours / room, ignore=shutil.ignore_patterns("target", "logs")
        )
    (ours / "orchestration" / "extra.py").write_text(EXTRA)
    definitions = ours / "orchestration" / "definitions.py"
    text = definitions.read_text()
    for old, new in (("import checks,", "import checks, extra,"),
                     ("*segments.ASSETS,", "*segments.ASSETS, extra.scores,")):  # fmt: skip
        assert text.count(old) == 1
        text = text.replace(old, new)
    definitions.write_text(text)
    started = "from orchestration.cli.main import main; main()"
    for command in (["check"], ["run"], ["run", "--select", 'key:"segmentation/scores"']):
        done = subprocess.run(
            [sys.executable, "-c", started, *command], cwd=ours, capture_output=True, text=True,
            env=one.environment | {"PYTHONPATH": os.fspath(ours)}, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        assert "the column gate is closed: 1 gap" in done.stderr
        assert "minimisation (gap): segmentation.scores can't be judged" in done.stderr
        assert "orchestration.extra" in done.stderr
        assert '"Adding a Python asset"' in done.stderr
        assert "Traceback" not in done.stderr
        assert "Landing" not in done.stderr
        assert not one.home.warehouse.exists()
        assert not (one.root / "scores.csv").exists()


def test_what_an_asset_returns_is_stored_nowhere(small, tmp_path):
    """Dagster would pickle it, in clear."""
    import dagster as dg

    from orchestration.values import NoValues

    @dg.asset
    def returns_rows():
        return ["a customer"]

    @dg.asset
    def tells():
        return dg.MaterializeResult(metadata={"rows": 1})

    one = small.copy(tmp_path / "home")
    with one.entered():
        from orchestration.definitions import defs

        assert isinstance(defs.resources["io_manager"], NoValues)
        for asset, succeeds in ((tells, True), (returns_rows, False)):
            done = dg.materialize(
                [asset], resources={"io_manager": NoValues()}, raise_on_error=False
            )
            assert done.success == succeeds
    (failed,) = [event for event in done.all_events if event.is_step_failure]
    assert "returns a value" in str(failed.event_specific_data.error)
    assert "a customer" not in str(failed.event_specific_data.error.message)
    assert not list((one.home.root / "dagster").rglob("returns_rows*"))
