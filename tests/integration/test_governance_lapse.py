"""A consent that lapses after the newest event read, and before the present moment."""

from datetime import timedelta

import dagster as dg

from governance import clocks as clock_row
from governance import identity, release
from warehouse.connect import connected, warehouse_store
from warehouse.publish import publish

PUBLISHED = "key:release/published_segmentation"
VALID = 730  # days, as the policy has it


def grant_lapses(one, customers, lapses_after=timedelta(days=2)):
    """Date all grants of some back so that they lapse so long after the newest event."""
    with (
        one.entered(),
        connected(warehouse_store(), *identity.stores(read_only=True)) as connection,
    ):
        known = clock_row.read(connection).known_at
        connection.execute(
            "update warehouse.landing.consent_events set occurred_at = ?, purpose = null"
            " where action = 'granted' and subject_key in"
            " (select subject_key from vault.subjects where list_contains(?, customer_id))",
            [known + lapses_after - timedelta(days=VALID), customers],
        )
    return known


def at(moment):
    return {"ASSENT_NOW": moment.isoformat()}


def permission(done):
    (rule,) = [r for r in done.json["rules"] if r["rule"] == "permission.segmentation"]
    return rule["status"], rule["why"]


def test_who_has_lapsed_by_the_present_moment_is_not_published(small, tmp_path):
    one = small.copy(tmp_path / "home")
    members = one.members()
    who = min(members)
    known = grant_lapses(one, [who])
    # Once the newest day is over.
    before, after = at(known + timedelta(days=1)), at(known + timedelta(days=3))

    done = one.assent("run", "--select", PUBLISHED, **before)
    assert done.status == 0, done.said
    assert one.members() == members
    facts = one.evidence("published_segmentation")
    assert facts["held_back"] == 0
    assert one.assent("status", **before).status == 0
    # Time passes, and nothing is read: what is published is said to be wrong, ...
    done = one.assent("status", "--json", **after)
    assert done.status == 1
    assert permission(done)[0] == "broken"
    assert facts["lapses_on"] in permission(done)[1]
    to = tmp_path / "audience.csv"
    done = one.assent(
        "export", str(members[who]), "--purpose", "segmentation", "--recipient", "store_planning",
        "--to", str(to), "--unencrypted", "--json", **after,
    )  # fmt: skip
    assert done.json["held_back"] == {"segmentation: consent expired": 1}
    # Nor does it hold where nobody has the record of it any more, ...
    record = one.home.evidence / "published_segmentation.json"
    kept = record.read_bytes()
    record.unlink()
    done = one.assent("status", "--json", **after)
    assert done.status == 1
    assert permission(done)[0] == "not judged"
    record.write_bytes(kept)
    # ... and the next run mends it, though no event has come.
    done = one.assent("run", **after)
    assert done.status == 0, done.said
    assert one.in_mart() == set(members) - {who}
    assert one.members() == {c: s for c, s in members.items() if c != who}
    assert one.evidence("published_segmentation")["held_back"] == 1
    with one.published("segmentation") as connection:
        assert connection.execute("select held_back from about").fetchall() == [("1",)]
    done = one.assent("status", "--json", **after)
    assert done.status == 0
    assert permission(done)[0] == "holds"
    # The run itself went by its own clocks.
    with one.warehouse() as connection:
        rows = connection.execute("select count(*) from marts.mart_segmentation").fetchall()
    assert rows == [(len(members),)]


def test_whichever_file_a_killed_run_leaves_the_first_lapse_in_it_is_known(
    small, tmp_path, monkeypatch
):
    one = small.copy(tmp_path / "home")
    who = [min(one.members())]
    known = grant_lapses(one, who)
    # Once the newest day is over.
    before, after = at(known + timedelta(days=1)), at(known + timedelta(days=3))
    assert permission(one.assent("status", "--json", **after))[0] == "holds"  # of the old file

    def run_that_dies(*, swapped):
        def publish_and_die(tables):
            if "segmentation" not in tables or swapped:
                publish(tables)
            if "segmentation" in tables:
                raise dg.Failure("the run dies", allow_retries=False)

        with monkeypatch.context() as patch:
            patch.setattr(release, "publish", publish_and_die)
            assert one.assent("run", "--select", PUBLISHED, **before).status != 0
        return permission(one.assent("status", "--json", **after))[0]

    assert run_that_dies(swapped=True) == "broken"  # the new file ends first
    grant_lapses(one, who, timedelta(days=300))
    assert run_that_dies(swapped=False) == "broken"  # the old one does


def test_a_segment_that_becomes_too_small_is_not_published(small, tmp_path):
    one = small.copy(tmp_path / "home")
    members = one.members()
    sizes = {s: list(members.values()).count(s) for s in members.values()}
    smallest = min(sizes, key=sizes.get)
    leaving = [c for c, s in members.items() if s == smallest][: sizes[smallest] - 49]
    known = grant_lapses(one, leaving)
    done = one.assent("run", "--select", PUBLISHED, **at(known + timedelta(days=2)))
    assert done.status == 1
    assert "size.segmentation: broken; without subjects whose basis has lapsed" in done.err
    # Nothing new is published; but nobody whose basis has lapsed stays published because of that.
    assert one.members() == {c: s for c, s in members.items() if c not in leaving}
