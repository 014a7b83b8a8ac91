"""Nothing of the demo's people lies anywhere in clear, and no key does."""

import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.canaries import Search, contents, demo_words, files
from tests.support.tables import unsealed_of
from warehouse.home import PROJECT

NOT_OURS = (".git", ".venv", "__pycache__")
NAME, ACCENTED = "Orla Loamgarth", "Zoë Mistquist"


@pytest.fixture(scope="module")
def words():
    return demo_words()


@pytest.fixture(scope="module")
def search(words):
    return Search(set().union(*words.values()))


def test_no_name_address_or_id_is_in_clear_anywhere(demo, search):
    assert search.in_files(demo.root, demo.scratch) == {}
    assert search.found(demo.done.said.encode()) == set()


def test_nor_in_the_repository(demo, search):
    assert search.in_files(PROJECT, but=NOT_OURS) == {}


def test_the_search_looks_at_every_kind_of_file(demo):
    """What the first test claims, it claims of all of these."""
    seen = {str(path.relative_to(demo.root)).split("/")[0] for path in files(demo.root)}
    stores = {"warehouse.duckdb", "vault.duckdb", "salts", "published"}
    assert seen >= stores | {"artefacts", "dagster", "dbt", "evidence"}
    assert any(path.suffix == ".db" for path in files(demo.home.dagster))
    assert any("compute_logs" in path.parts for path in files(demo.home.dagster))
    assert {"target", "logs"} <= {part for path in files(demo.home.dbt) for part in path.parts}


def test_the_search_finds_everybody_in_a_file_in_clear(demo, words, search, tmp_path):
    """Positive control: all words at once, and those of an unencrypted export."""
    everything = set().union(*words.values())
    (tmp_path / "all.txt").write_text("\n".join(everything))
    assert search.in_files(tmp_path)[str(tmp_path / "all.txt")] == everything
    assert {kind: len(found) for kind, found in words.items()}["customer_id"] >= 2_469

    copy = demo.copy(tmp_path / "home")
    to = tmp_path / "out" / "audience.csv"
    to.parent.mkdir()
    done = copy.assent("export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
                       "--to", str(to), "--unencrypted", "--json")  # fmt: skip
    assert done.status == 0, done.said
    assert len(search.found(to.read_bytes())) == done.json["exported"] > 50
    assert search.in_files(copy.root) == {}


@pytest.mark.parametrize(
    "kind", ["plain", "json", "zip", "sqlite", "sqlite, compressed", "picture"]
)
def test_the_search_opens_what_is_packed(tmp_path: Path, kind):
    import base64
    import json
    import zlib

    path = tmp_path / "file"
    text = f"x{ACCENTED}y".encode()
    if kind == "plain":
        path.write_bytes(text)
    elif kind == "json":
        path.write_text(json.dumps([ACCENTED]))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("member", text)
    elif kind == "picture":
        path.write_bytes(b'{"a": "data:image/svg+xml;base64,' + base64.b64encode(text) + b'"}')
    else:
        value = zlib.compress(text) if "compressed" in kind else b"-" * 4090 + text + b"-" * 9000
        with sqlite3.connect(path) as connection:
            connection.execute("create table t (x)")
            connection.execute("insert into t values (?)", [value])
        connection.close()
    assert Search([NAME, ACCENTED]).in_files(tmp_path) == {str(path): {ACCENTED}}


def test_no_key_lies_in_the_home_or_was_said(demo):
    keys = {path.name: path.read_text().strip() for path in demo.keys.iterdir()}
    assert set(keys) >= {"warehouse", "vault", "salts", "published_segmentation"}
    search = Search(keys.values())
    assert search.in_files(demo.root, demo.scratch) == {}
    assert search.found(demo.done.said.encode()) == set()
    assert len(search.in_files(demo.keys)) == len(keys)  # positive control
    raw = [bytes.fromhex(key) for key in keys.values()]
    assert not [p for p in files(demo.root) if any(k in c for c in contents(p) for k in raw)]
    assert {path.stat().st_mode & 0o777 for path in demo.keys.iterdir()} == {0o600}


def _longest_array(path: Path) -> int:
    with zipfile.ZipFile(path) as packed:
        arrays = [name for name in packed.namelist() if name.endswith(".npy")]
        assert arrays
        return max(max(np.load(packed.open(name)).shape, default=0) for name in arrays)


def test_the_stored_model_says_nothing_of_a_single_subject(demo, tmp_path):
    import skops.io
    from sklearn.cluster import KMeans

    (model,) = demo.home.artefacts.rglob("model.skops.sealed")
    assert len(demo.members()) == 2_086
    with demo.entered():
        (tmp_path / "model.skops").write_bytes(unsealed_of(demo, model))
    assert _longest_array(tmp_path / "model.skops") < 100
    skops.io.dump(KMeans(2, n_init=1).fit(np.arange(200.0).reshape(-1, 1)), tmp_path / "m.skops")
    assert _longest_array(tmp_path / "m.skops") == 200  # positive control: labels_
