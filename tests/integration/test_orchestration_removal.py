"""A purpose that is taken out of the policy is gone after the next run."""

import io
from dataclasses import replace

from ruamel.yaml import YAML

GONE = "churn_prevention"


def without(purpose, policy, folder):
    """Return a copy of a policy without a purpose."""
    yaml = YAML()
    yaml.width = 1000
    data = yaml.load(policy.read_text())
    del data["purposes"][purpose]
    for name in [n for n, r in data["recipients"].items() if purpose in r["purposes"]]:
        del data["recipients"][name]
    stream = io.StringIO()
    yaml.dump(data, stream)
    (folder / "policy.yaml").write_text(stream.getvalue())
    return folder / "policy.yaml"


def withdrawn(one):
    """Return what the newest landing says of it."""
    import dagster as dg

    from orchestration.environment import opened_instance

    with one.entered(), opened_instance() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["landing", "purpose_keys"]))
    found = event.asset_materialization.metadata.get("assent/withdrawn")
    return found.value if found else None


def test_a_purpose_taken_out_of_the_policy_is_withdrawn(small, tmp_path):
    one = small.copy(tmp_path / "home")
    assert one.assent("query", "--purpose", GONE, "from about").status == 0
    assert withdrawn(one) is None
    one = replace(one, policy=without(GONE, one.policy, tmp_path))
    # Readers go by the policy, and refuse before any run.
    for command in (
        ("query", "--purpose", GONE, "from about"),
        ("export", "1", "--purpose", GONE, "--recipient", "store_planning", "--to",
         str(tmp_path / "x.csv")),
    ):  # fmt: skip
        done = one.assent(*command)
        assert done.status == 2, done.said
        assert "no such purpose" in done.err
    left = {path.name for path in one.home.published.iterdir()} - {f"{GONE}.duckdb"}
    one.run()
    assert {path.name for path in one.home.published.iterdir()} == left
    assert withdrawn(one) == GONE
    with one.warehouse() as connection:
        assert not connection.execute(
            "select table_name from duckdb_columns() where column_name = ?", [f"{GONE}_key"]
        ).fetchall()
        purposes = connection.execute("select distinct purpose from landing.purpose_keys")
        assert GONE not in {purpose for (purpose,) in purposes.fetchall()}
