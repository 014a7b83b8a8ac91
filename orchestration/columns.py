"""What the Python assets read and make, column by column, as part of the lineage graph.

Belongs here: which column of a mart enters what, what the columns that they add mean, and whether
the code of the assets reads past the door. Does not belong here: the graph itself and that of SQL
(``governance.lineage``), reading rows (``orchestration.door``), Dagster
(``orchestration.metadata``).
"""

from collections.abc import Iterator

from governance.lineage.graph import Lineage
from governance.lineage.marts import MART as MART_OF
from governance.lineage.reach import strays
from governance.policy.model import Policy
from governance.policy.words import PERMISSION, SEGMENT_PURPOSE
from models.features import FEATURES, MIX, MIX_PREFIX
from warehouse.home import PROJECT
from warehouse.sql import quoted

MART, BACKTEST = f"mart_{SEGMENT_PURPOSE}", f"mart_{SEGMENT_PURPOSE}_backtest"
MODEL, ASSIGNMENTS = f"{SEGMENT_PURPOSE}.model", f"{SEGMENT_PURPOSE}.assignments"
SEGMENTS = f"{SEGMENT_PURPOSE}.segments"
STATISTICS = "governance.consent_statistics"
PUBLISHED = "release.published_"
KEYS = ("as_of", f"{SEGMENT_PURPOSE}_key")

# The code that makes segments, and all that it may import: what computes, and ours that reads no
# rows but by the door. Of modules that know of a connection, or of Dagster's resources, by name.
ROOT = PROJECT
CODE = ("orchestration/segments.py", "models/**/*.py")
MAY_CALL = {
    # To see that a model holds its parameters and no rows; what is kept of it is of known types.
    "models/store.py": ("vars", "skops.io.dump", "skops.io.load"),
    "models/plots.py": ("figure.savefig",),  # into memory
}
MAY_IMPORT = (
    "base64", "collections", "concurrent.futures", "contextlib", "dataclasses", "datetime",
    "functools", "hashlib", "io", "json", "math", "os.cpu_count", "textwrap", "types", "typing",
    "zipfile.BadZipFile",
    "matplotlib", "numpy", "pandas", "scipy", "sklearn", "skops", "threadpoolctl",
    "dagster.MarkdownMetadataValue", "dagster.MaterializeResult", "dagster.MetadataValue",
    "expectations.schemas", "governance.aging.present_day", "governance.clocks.Clocks",
    "governance.evidence.SEGMENTS", "governance.evidence.label", "governance.policy", "models",
    "orchestration.columns.BACKTEST", "orchestration.columns.MART", "orchestration.common.RETRY",
    "orchestration.common.SEGMENT_KINDS", "orchestration.common.code_version",
    "orchestration.common.provenance", "orchestration.door.Door", "orchestration.door.asset",
    "orchestration.manifest.policy", "orchestration.model_store",
    "warehouse.errors",
)  # fmt: skip

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
    STATISTICS: {
        "month": "First day of the month that was counted",
        "purpose": "Why data is processed (a purpose of the policy)",
        "word": "What is counted: granted, denied, permitted at the month's end, or known then",
        "by": "Whether the count is by channel or by regime",
        "value": "Which channel or regime; empty where those of few are put together",
        "subjects": "Number of subjects, none of them few",
    },
}  # fmt: skip


def with_python_assets(graph: Lineage, policy: Policy) -> Lineage:
    """Return the graph with model, assignments, segments and published files in it."""
    for name, purpose, columns in _python_assets(graph, policy):
        unread: tuple[str, ...] = ()
        if name == MODEL:
            others = {n for n in graph.relations if n.startswith(MART_OF)} - {MART, BACKTEST}
            unread = strays(_code(), MAY_IMPORT, may_call=MAY_CALL, others=others)
        graph = graph.with_python(name, columns, purpose=purpose, unread=unread)
    return graph


def names_of_python_assets(policy: Policy) -> set[str]:
    """Return the Python assets that there are, of which some have no mart under a policy."""
    published = {f"{PUBLISHED}{purpose}" for purpose in policy.purposes}
    return {MODEL, ASSIGNMENTS, SEGMENTS, STATISTICS, *published}


def code_modules() -> frozenset[str]:
    """Return the names of the modules that are read for what strays past the door."""
    names = (path.removesuffix(".py").replace("/", ".") for path in _code())
    return frozenset(name.removesuffix(".__init__") for name in names)


def share_sql(name: str) -> str:
    """Return the SQL of a share of the category mix, over the columns of the mart."""
    category = quoted(name.removeprefix(MIX_PREFIX))
    return f"case when cardinality({MIX}) > 0 then coalesce({MIX}[{category}], 0)::double end"


def _code() -> dict[str, str]:
    """Return the source of what makes segments, by path."""
    paths = (path for pattern in CODE for path in ROOT.glob(pattern))
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


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
    if "int_consent_intervals" in graph.relations:
        yield STATISTICS, PERMISSION, _statistics()
    for purpose in policy.purposes:
        mart = f"mart_{purpose}"
        if mart not in graph.relations:
            continue
        columns = {column: [(mart, column)] for column in graph.relations[mart].columns}
        if purpose == SEGMENT_PURPOSE and segmented:
            columns["segment_id"] = [(ASSIGNMENTS, "segment_id")]
            columns |= {name: [(SEGMENTS, name)] for name in ("name", "line", "subjects", "share")}
        yield f"{PUBLISHED}{purpose}", purpose, columns


def _statistics() -> Columns:
    events, lasting = "landing.consent_events", "int_consent_intervals"
    regime = ("int_consent_subjects", "regime")
    return {
        "month": [(events, "recorded_at"), (lasting, "valid_from"), (lasting, "valid_to")],
        "purpose": [(events, "purpose"), (lasting, "purpose")],
        "word": [(events, "action"), (lasting, "valid_from"), (lasting, "valid_to")],
        "by": [(events, "channel"), regime],
        "value": [(events, "channel"), regime],
        "subjects": [(events, "subject_key"), (lasting, "subject_key")],
    }


def _features(graph: Lineage) -> Columns:
    """Return what the model reads: features now and earlier, and what followed those.

    Features are what ``models.features`` declares, whether or not a mart has such a column.
    """
    found: Columns = {name: [(MART, name)] for name in FEATURES}
    for table in (MART, BACKTEST):
        if table in graph.relations:
            for column in graph.relations[table].columns:
                if column not in (*KEYS, MIX) and (table, column) not in found.get(column, ()):
                    found.setdefault(column, []).append((table, column))
    return found
