"""What an asset by the door tells stays in Dagster's history: no key of a subject is in there."""

from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import dagster as dg
import pyarrow as pa
import pyarrow.parquet
import pytest

from governance.unkeyed import SHAPE
from orchestration.segments import picture
from tests.support.installation import own_feeds


def keys_of(marts):
    """Return the visits of a few subjects by key, as a user might show them."""
    frame = marts.frame("mart_segmentation", marts.clocks.as_of)
    return {key: float(visits) for key, visits in frame["visits"].head(3).items()}


def as_json(marts):
    return dg.MaterializeResult(metadata={"preview": dg.MetadataValue.json(keys_of(marts))})


def as_markdown(marts):
    lines = "\n".join(f"| {key} | {visits} |" for key, visits in keys_of(marts).items())
    return dg.MaterializeResult(metadata={"preview": dg.MetadataValue.md(lines)})


def as_a_table(marts):
    rows = [dg.TableRecord({"who": key}) for key in keys_of(marts)]
    return dg.MaterializeResult(metadata={"preview": dg.MetadataValue.table(rows)})


def as_a_picture(marts):
    svg = "".join(f"<text>visits{UUID(key).hex}</text>" for key in keys_of(marts))
    return dg.MaterializeResult(metadata={"plot": picture(f"<svg>{svg}</svg>")})


def as_a_name(marts):
    return dg.MaterializeResult(metadata=dict(keys_of(marts)))


def as_tags(marts):
    return dg.MaterializeResult(tags={f"who/{key}": "3" for key in keys_of(marts)})


def as_plain_values(marts):
    return dg.MaterializeResult(metadata={"preview": {"rows": [{"who": [*keys_of(marts)]}]}})


def later(marts):
    yield dg.MaterializeResult(metadata=dict(keys_of(marts)))


def in_evidence(marts):
    marts.tell("scores", {"visits": keys_of(marts)})
    return dg.MaterializeResult()


def as_counts(marts):
    marts.tell("scores", {"subjects": 40})
    return dg.MaterializeResult(metadata={"subjects": 40, "preview": {"visits": [3, 5]}})


def as_an_id(marts):
    """A company may call its categories by ids; and who tells one tells no subject."""
    return dg.MaterializeResult(metadata={"features": f"visits, mix:{uuid4()}"})


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    """What comes of an asset by the door of a function: whether it succeeded, and what is told."""
    one = small.copy(tmp_path_factory.mktemp("unkeyed") / "home")
    day = one.evidence("status")["as_of"]
    with one.entered():
        from orchestration import door
        from orchestration.values import NoValues
        from orchestration.writer import Writer

        def make(compute):
            with dg.DagsterInstance.ephemeral() as instance:
                done = dg.materialize(
                    [door.asset("scores")(compute)], partition_key=day, instance=instance,
                    resources={"writer": Writer(), "io_manager": NoValues()},
                    raise_on_error=False,
                )  # fmt: skip
                told = "\n".join(map(dg.serialize_value, instance.all_logs(done.run_id)))
            failed = [e.event_specific_data.error for e in done.all_events if e.is_step_failure]
            return done.success, "".join(map(str, failed)), told

        yield make


@pytest.mark.parametrize(
    "compute",
    [
        as_json,
        as_markdown,
        as_a_table,
        as_a_picture,
        as_a_name,
        as_tags,
        as_plain_values,
        in_evidence,
    ],
)
def test_keys_are_refused(made, small, compute):
    succeeded, error, told = made(compute)
    assert not succeeded
    where = "evidence/" if compute is in_evidence else "the metadata of segmentation/"
    assert f"{where}scores" in error
    assert "would hold 3 keys of subjects" in error
    assert "only counts over many subjects belong there" in error
    assert names_nobody(small, told)


def test_what_would_be_told_later_is_refused(made, small):
    succeeded, error, told = made(later)
    assert not succeeded
    assert "segmentation/scores returns a value" in error
    assert names_nobody(small, told)


@pytest.mark.parametrize("compute", [as_counts, as_an_id])
def test_counts_and_ids_of_other_things_are_told(made, compute):
    succeeded, error, told = made(compute)
    assert succeeded, error
    assert "visits" in told


@pytest.mark.slow
def test_a_company_whose_categories_are_ids_is_served(small, tmp_path):
    one = own_feeds(small.fresh(tmp_path / "home"), tmp_path / "feeds")
    for path in (tmp_path / "feeds").glob("transactions-*.parquet"):
        sold = pyarrow.parquet.read_table(path)
        ids = [name and str(uuid5(NAMESPACE_URL, name)) for name in sold["category"].to_pylist()]
        place = sold.column_names.index("category")
        pyarrow.parquet.write_table(sold.set_column(place, "category", pa.array(ids)), path)
    one.run()
    told = [path.read_text() for path in one.home.artefacts.rglob("segment_*.md")]
    assert any(SHAPE.search(card) for card in told)


def names_nobody(one, told):
    with one.warehouse() as connection:
        keys = connection.execute("select segmentation_key from marts.mart_segmentation").fetchall()
    return len(keys) > 30 and not [key for (key,) in keys if str(key) in told]
