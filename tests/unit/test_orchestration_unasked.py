"""What a library loads unasked is left out, and nothing else: each in a process of its own."""

import subprocess
import sys

import pytest

from warehouse.home import PROJECT

LEFT_OUT = """
import sys
from orchestration.cli.unasked import LeftOut
sys.meta_path.insert(0, LeftOut("pandas"))
import duckdb, pyarrow, pyarrow.compute
connection = duckdb.connect()
"""
SCAN = "connection.register('found', pyarrow.table({'a': [1]}))\n"  # by a module of pyarrow's
COMPILED = {
    "a parameter": "assert connection.execute('select ?', [1]).fetchall() == [(1,)]",
    "an array": "assert len(pyarrow.array(['a'])) == 1",
    "a data set": f"{SCAN}assert connection.execute('select a from found').fetchall() == [(1,)]",
    "a table": "assert pyarrow.table({'a': [1]}).filter(pyarrow.compute.field('a') == 1).num_rows",
}


def done(code: str, *, left_out: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run some lines of Python, and tell in the end whether pandas is loaded."""
    code = f"{LEFT_OUT if left_out else LEFT_OUT.replace('sys.meta_path', '#')}\n{code}\n"
    return subprocess.run(
        [sys.executable, "-c", f"{code}print('pandas' in sys.modules)"],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("code", COMPILED.values(), ids=COMPILED)
def test_compiled_code_does_without(code):
    assert done(code).stdout == "False\n"


def test_it_would_be_loaded_otherwise():
    assert done(COMPILED["a parameter"], left_out=False).stdout == "True\n"


def test_a_statement_gets_it_and_compiled_code_takes_its_values_then():
    code = (
        f"{COMPILED['a parameter']}\nimport pandas as pd\n"
        "connection.register('frame', pd.DataFrame({'a': [1]}))\n"
        "assert connection.execute('select a + ? as a from frame', [1]).df()['a'].to_list() == [2]"
    )
    assert done(code).stdout == "True\n"


def test_of_very_many_values_it_is_loaded_once():
    many = "assert connection.execute('select len(?)', [[*range(3_000)]]).fetchall() == [(3_000,)]"
    assert done(many).stdout == "True\n"
