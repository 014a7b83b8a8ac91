"""However the lines of a CSV file come, at once or added: each row lands, or is set aside, once."""

from hypothesis import given
from hypothesis import strategies as st

from tests.properties.test_ingest_load_properties import installation, landed
from tests.support.examples import tried
from tests.support.feeds import SALES, declared, load, must_reconcile, reasons, sources_in, totals

GOOD = "c{n},b,p,2024-05-01 10:00:00,1"
LINES = {
    "good": GOOD,
    "quoted": 'c{n},"b, ""x""\n\n",p,2024-05-01 10:00:00,1',
    "spaced": 'c{n}, "b",p,2024-05-01 10:00:00,1',
    "extra empty": GOOD + ",,",
    "empty": "",
    "commas": ",,,,",
    "blank": "   ",
    "short": "c{n},b",
    "long": GOOD + ",x,y",
    "broken quote": 'c{n},"b"x,"p"y,2024-05-01 10:00:00,1',
    "misencoded": "c{n},\udcff,\udcfe,2024-05-01 10:00:00,1",
}
WELL = {"good", "quoted", "spaced", "extra empty"}
kinds = st.lists(st.sampled_from(sorted(LINES)), max_size=9)


@tried(12)
@given(
    before=kinds,
    added=kinds,
    end=st.sampled_from(["\n", "\r\n"]),
    start=st.sampled_from(["", "\ufeff"]),
    header=st.booleans(),
    last=st.booleans(),
)
def test_what_is_added_to_a_csv_file_lands_once(before, added, end, start, header, last):
    every = [LINES[kind].format(n=n) for n, kind in enumerate(["good", *before, *added])]
    lines = [",".join(SALES), *every] if header else every
    cut = len(lines) - len(added)
    first, second = ("".join(line + "\n" for line in part) for part in (lines[:cut], lines[cut:]))
    second = second if last else second.removesuffix("\n")
    columns = {name: f"column{n}" for n, name in enumerate(SALES, start=1)}
    changes = {} if header else {"csv": {"header": False}, "columns": columns}
    rows = [kind for kind in ["good", *before, *added] if kind != "empty"]
    bad = [n for n, kind in enumerate(rows, start=1) if kind not in WELL]
    results = []
    for parts in ([first, second], [first + second]):
        with installation() as folder:
            sources = sources_in(folder, transactions=declared("transactions", **changes))
            written = start
            for part in parts:
                written += part
                data = written.replace("\n", end).encode(errors="surrogateescape")
                (folder / "transactions.csv").write_bytes(data)
                load(sources)
            must_reconcile()
            assert sorted(n for found in reasons("transactions").values() for n in found) == bad
            assert totals("transactions") == (len(rows), len(rows) - len(bad), len(bad), 0, 0)
            results.append((landed(), reasons("transactions")))
    assert results[0] == results[1]
