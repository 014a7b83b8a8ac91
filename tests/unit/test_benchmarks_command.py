"""The command line of the benchmarks: each of them measures all sizes, or those asked for."""

import pytest

from benchmarks import rights, run
from benchmarks.command import for_each_size
from warehouse.home import PROJECT


def measured(tmp_path, capsys, *given):
    seen = []

    def rows_of(name, folder, _):
        assert folder.is_dir()
        seen.append(name)
        return [name]

    for_each_size("Of nothing.", ["small", "large"], rows_of, "+".join, given)
    return seen, capsys.readouterr().out.split()


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(PROJECT)


def test_all_sizes_are_measured_where_none_is_asked_for(tmp_path, capsys):
    tables = ["small", "small+large"]
    assert measured(tmp_path, capsys) == (["small", "large"], tables)
    assert measured(tmp_path, capsys, "--keep", str(tmp_path)) == (["small", "large"], tables)
    assert measured(tmp_path, capsys, "large") == (["large"], ["large"])


def test_a_size_that_there_isnt_is_told_with_those_that_there_are(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        measured(tmp_path, capsys, "small", "huge")
    assert "there is no size huge: choose from small, large" in capsys.readouterr().err


@pytest.mark.parametrize("of", [run, rights])
def test_each_benchmark_has_it(of, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["benchmark", "huge"])
    with pytest.raises(SystemExit, match="2"):
        of.main()
    assert "1m" in capsys.readouterr().err
