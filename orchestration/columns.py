"""What the Python assets read and make, column by column, as part of the lineage graph.

Belongs here: which column of a mart enters what, and what the columns that they add mean. Does not
belong here: the graph itself and that of SQL (``governance.lineage``), Dagster
(``orchestration.metadata``).
"""

from collections.abc import Iterator

from governance.lineage.graph import Lineage
from governance.policy.model import Policy
from governance.policy.words import SEGMENT_PURPOSE

MART, BACKTEST = f"mart_{SEGMENT_PURPOSE}", f"mart_{SEGMENT_PURPOSE}_backtest"
MODEL, ASSIGNMENTS = f"{SEGMENT_PURPOSE}.model", f"{SEGMENT_PURPOSE}.assignments"
SEGMENTS = f"{SEGMENT_PURPOSE}.segments"
KEYS = ("as_of", f"{SEGMENT_PURPOSE}_key")
MIX = "category_mix"  # it describes segments, and forms none

Columns = dict[str, list[tuple[str, str]]]

# What the columns mean that no mart has; the others mean what they mean there.
MEANINGS = {
    ASSIGNMENTS: {"segment_id": "Number of the segment; it keeps its number when a model is fitted"
                  " anew and it is the same"},
    SEGMENTS: {
        "name": "Name of the segment in plain words",
        "line": "What sets the segment apart from the others",
        "subjects": "Number of subjects in the segment",
        "share": "Share of all subjects that are in the segment, 0 to 1",
    },
}  # fmt: skip


def with_python_assets(graph: Lineage, policy: Policy) -> Lineage:
    """Return the graph with model, assignments, segments and published files in it."""
    for name, purpose, columns in _python_assets(graph, policy):
        graph = graph.with_python(name, columns, purpose=purpose)
    return graph


def _python_assets(graph: Lineage, policy: Policy) -> Iterator[tuple[str, str, Columns]]:
    segmented = MART in graph.relations
    if segmented:
        features = _features(graph)
        chosen = [(MODEL, feature) for feature in features]
        yield MODEL, SEGMENT_PURPOSE, features
        yield ASSIGNMENTS, SEGMENT_PURPOSE, {
            **{key: [(MART, key)] for key in KEYS}, "segment_id": chosen,
        }  # fmt: skip
        described = [(ASSIGNMENTS, "segment_id"), *chosen]
        yield (
            SEGMENTS,
            SEGMENT_PURPOSE,
            {
                "as_of": [(MART, "as_of")],
                "segment_id": [(ASSIGNMENTS, "segment_id")],
                **{name: [*described, (MART, MIX)] for name in ("name", "line")},
                **{name: [(ASSIGNMENTS, "segment_id")] for name in ("subjects", "share")},
            },
        )
    for purpose in policy.purposes:
        mart = f"mart_{purpose}"
        if mart not in graph.relations:
            continue
        columns = {column: [(mart, column)] for column in graph.relations[mart].columns}
        if purpose == SEGMENT_PURPOSE and segmented:
            columns["segment_id"] = [(ASSIGNMENTS, "segment_id")]
            columns |= {name: [(SEGMENTS, name)] for name in ("name", "line", "subjects", "share")}
        yield f"release.published_{purpose}", purpose, columns


def _features(graph: Lineage) -> Columns:
    """Return what the model reads: features now and earlier, and what followed those."""
    found: Columns = {}
    for table in (MART, BACKTEST):
        if table in graph.relations:
            for column in graph.relations[table].columns:
                if column not in (*KEYS, MIX):
                    found.setdefault(column, []).append((table, column))
    return found
