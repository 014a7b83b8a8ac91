"""What is published holds nobody without a basis, whether or not anything new may be published."""

from dataclasses import replace

import pytest

from governance import clocks as clock_row
from governance import inbox, unpublish
from governance.policy.load import load_policy
from tests.support.installation import IN_THE_FIRST_BLOCK, own_feeds, policy_with

LONG_AGO = "2024-06-01T12:00:00"


def stricter(one, days, *names):
    """Return the policy with a consent that lasts so long for some purposes; all by default."""
    policy = load_policy(one.policy)
    shorter = {
        name: purpose.model_copy(update={"consent_valid_days": days})
        for name, purpose in policy.purposes.items() if name in (names or policy.purposes)
    }  # fmt: skip
    return policy.model_copy(update={"purposes": {**policy.purposes, **shorter}})


def taken_out(one, policy):
    with one.warehouse() as connection:
        known_at = clock_row.read(connection).known_at
    with one.entered():
        return unpublish.take_out(policy, known_at)


def in_warehouse(one):
    """Return the rows that the warehouse holds of each subject for segmentation, by table."""
    found = {}
    with one.warehouse() as connection:
        for table in ("marts.mart_segmentation", "segmentation.assignments"):
            rows = connection.execute(f"select segmentation_key from {table}").fetchall()
            found[table] = {key for (key,) in rows}
    return found


def test_nobody_is_taken_out_who_may_stay(small, tmp_path):
    one = small.copy(tmp_path / "home")
    files = {path: path.read_bytes() for path in one.home.published.iterdir()}
    assert taken_out(one, load_policy(one.policy)) == {}
    assert {path: path.read_bytes() for path in one.home.published.iterdir()} == files


def test_a_stricter_policy_holds_for_what_is_published_already(small, tmp_path):
    one = small.copy(tmp_path / "home")
    grants = (
        "select purpose_key, date_diff('day', max(occurred_at), (select known_at from"
        " landing.clocks)) as days from landing.purpose_keys as k join landing.consent_events as e"
        " using (subject_key) where k.purpose = 'segmentation'"
        " and action in ('granted', 'opted_in')"
        " and coalesce(e.purpose, 'segmentation') = 'segmentation' group by all"
    )
    with one.warehouse() as connection:
        days = int(connection.execute(f"select median(days) from ({grants})").fetchall()[0][0])
        rows = connection.execute(f"select purpose_key from ({grants}) where days <= {days}")
        still = {key for (key,) in rows.fetchall()}
    policy = stricter(one, days, "segmentation")
    members, marts = one.members(), one.in_mart()
    counts = taken_out(one, policy)
    with one.published("segmentation") as connection:
        left = {key for (key,) in connection.execute(
            "select segmentation_key from mart_segmentation union"
            " select segmentation_key from assignments").fetchall()}  # fmt: skip
        assert connection.execute("select count(*) from segments").fetchall()[0][0] > 2
    assert left <= still
    assert all(keys and keys <= still for keys in in_warehouse(one).values())
    assert 0 < len(one.in_mart()) < len(marts)
    assert counts == {"segmentation": len(marts) - len(one.in_mart())}
    assert set(one.members()) == one.in_mart() & set(members)
    assert one.evidence("published_segmentation")["held_back"] == counts["segmentation"]
    assert taken_out(one, policy) == {}
    assert one.assent("query", "--purpose", "segmentation", "from about").status == 0


def test_what_the_policy_no_longer_allows_is_shown_no_longer(small, tmp_path):
    one = small.copy(tmp_path / "home")
    policy = load_policy(one.policy)
    with one.published("segmentation") as connection:
        (often,) = connection.execute(
            "select mode(k) from (select unnest(map_keys(category_mix)) as k from"
            " mart_segmentation)"
        ).fetchall()[0]
    purpose = policy.purposes["segmentation"]
    fewer = {name: made for name, made in purpose.columns.items() if name != "discount_share"}
    category = policy.attributes["category"]
    special = category.special_values[0].model_copy(update={"pattern": f"{often[:-1]}?"})
    narrower = policy.model_copy(update={
        "purposes": {**policy.purposes,
                     "segmentation": purpose.model_copy(update={"columns": fewer})},
        "attributes": {**policy.attributes,
                       "category": category.model_copy(update={"special_values": (special,)})},
    })  # fmt: skip
    members = one.members()
    counts = taken_out(one, narrower)
    assert set(counts) == {
        "segmentation.discount_share", "segmentation.category_mix",
        "personalised_offers.category_mix",
    }  # fmt: skip
    with one.published("segmentation") as connection:
        shown = connection.execute("select * from mart_segmentation")
        assert "discount_share" not in [name for name, *_ in shown.description]
        assert connection.execute(
            "select count(*), count(*) filter (len(map_extract(category_mix, ?)) > 0),"
            " count(*) filter (cardinality(category_mix) > 0) > 0 from mart_segmentation", [often]
        ).fetchall() == [(len(members), 0, True)]  # fmt: skip
    assert one.members() == members
    assert taken_out(one, narrower) == {}


def test_a_value_that_has_to_be_banded_now_is_shown_raw_no_longer(small, tmp_path):
    one = small.copy(tmp_path / "home")
    policy = load_policy(one.policy)
    purpose = policy.purposes["bias_monitoring"]
    banded = purpose.attributes["marital_status"].model_copy(
        update={"form": "banded", "bands": {"together": ("Married",)}}
    )
    stricter = purpose.model_copy(
        update={"attributes": {**purpose.attributes, "marital_status": banded}}
    )
    purposes = {**policy.purposes, "bias_monitoring": stricter}
    counts = taken_out(one, policy.model_copy(update={"purposes": purposes}))
    assert set(counts) == {"bias_monitoring.marital_status"}
    with one.published("bias_monitoring") as connection:
        rows = connection.execute("select distinct marital_status from mart_bias_monitoring")
        assert rows.fetchall() == [(None,)]


def test_a_damaged_file_is_published_no_longer_until_a_run_writes_it_anew(small, tmp_path):
    one = small.copy(tmp_path / "home")
    path = one.home.published / "segmentation.duckdb"
    content = bytearray(path.read_bytes())
    content[IN_THE_FIRST_BLOCK] ^= 1
    path.write_bytes(content)
    counts = taken_out(one, stricter(one, 1))
    assert "segmentation" not in counts
    assert counts["churn_prevention"] > 0
    assert not path.exists()


def broken_file(one, folder):
    (one.sources.parent / "transactions-broken.parquet").write_bytes(b"no parquet")
    return one, "transactions-broken.parquet"


def misspelt_key(one, folder):
    one.sources.write_text(one.sources.read_text().replace("provenance", "provenence", 1))
    return one, "provenence"


def unlisted_attribute(one, folder):
    listed = "  home_ownership: {class: quasi_identifier"
    other = listed.replace("home_ownership", "house")
    return replace(one, policy=policy_with(folder, (listed, other))), "home_ownership"


def code_that_ends_the_process(one, folder):
    (one.sources.parent / "till_that_ends.py").write_text("import sys\nsys.exit(0)\n")
    files = "connector: files\n    paths: [transactions-*.parquet]\n    format: parquet\n"
    code = "connector: python\n    entry_point: till_that_ends:table\n"
    text = one.sources.read_text()
    assert text.count(files) == 1
    one.sources.write_text(text.replace(files, code))
    check = one.assent("sources", "check")
    assert check.status == 2
    assert "failed with SystemExit" in check.said
    return one, "till_that_ends:table"


@pytest.mark.parametrize(
    "harm",
    [
        broken_file,
        *(
            pytest.param(harm, marks=pytest.mark.slow)
            for harm in (misspelt_key, unlisted_attribute, code_that_ends_the_process)
        ),
    ],
)
def test_a_broken_feed_keeps_nobody_published(small, tmp_path, harm):
    one = own_feeds(small.copy(tmp_path / "home"), tmp_path / "feeds")
    first, second = sorted(one.members())[:2]
    assert one.assent("consent", "record", first, "withdrawn").status == 0
    opened = one.assent("rights", "open", second, "access", "--received-at", LONG_AGO)
    assert opened.status == 0, opened.said
    one, said = harm(one, tmp_path)
    landed = "select count(*) from landing.transactions"
    with one.warehouse() as connection:
        before = connection.execute(landed).fetchall()
    made = {table: len(keys) for table, keys in in_warehouse(one).items()}
    done = one.assent("run")
    assert done.status
    assert {t: len(keys) + 1 for t, keys in in_warehouse(one).items()} == made
    assert said in done.err
    assert first not in one.in_mart()
    assert first not in one.members()
    assert second in one.members()
    with one.warehouse() as connection:
        assert connection.execute(landed).fetchall() == before
    with one.entered():
        assert not inbox.waiting().by_feed
    states = one.assent("consent", "show", first, "--json").json
    assert not [state for state in states if state["permitted"]]
    if harm is broken_file:
        rules = {r["rule"]: r["status"] for r in one.assent("status", "--json").json["rules"]}
        assert rules["freshness.transactions"] == "holds"  # on the feeds as they were landed
        assert rules["rights.due"] == "broken"  # as the request has landed
        assert rules["permission.segmentation"] == "not judged"  # the mart is another


@pytest.mark.slow
def test_a_fault_of_ours_keeps_nobody_published_either(small, tmp_path, monkeypatch):
    """One of a connector, say, that nobody has foreseen."""
    one = small.copy(tmp_path / "home")
    who = min(one.members())
    assert one.assent("consent", "record", who, "withdrawn").status == 0

    def fails(*_, **__):
        raise ZeroDivisionError(who)

    monkeypatch.setattr("ingest.load.load_feeds", fails)
    done = one.assent("run")
    assert done.status == 2
    assert "ZeroDivisionError" in done.err
    assert who not in done.said
    assert who not in one.in_mart()
