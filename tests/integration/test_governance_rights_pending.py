"""Work that has begun comes to its end, whatever has become of files that it meets."""

import pytest

from governance import identity
from governance.rights import custody, erasure
from tests.support.installation import IN_THE_FIRST_BLOCK
from warehouse.journal import begin
from warehouse.lock import writer_lock

AT = "2024-12-31T12:00:00"


@pytest.fixture(scope="module")
def one(small, tmp_path_factory):
    return small.copy(tmp_path_factory.mktemp("pending") / "home")


def key_of(one, who):
    with one.entered(), identity.opened() as connection:
        return str(identity.subject_key_of(connection, who))


def damaged(one, purpose):
    path = one.home.published_file(purpose)
    content = bytearray(path.read_bytes())
    content[IN_THE_FIRST_BLOCK] ^= 1
    path.write_bytes(content)
    return path


def verified(one, who, kind):
    number = one.assent("rights", "open", who, kind, "--json").json["request_id"]
    assert one.assent("rights", "verify", number, "--method", "by letter").status == 0
    return number


@pytest.mark.parametrize(
    ("kind", "purpose"), [("erasure", "segmentation"), ("rectification", "churn_prevention")]
)
def test_no_damaged_file_keeps_a_request_from_its_end(one, tmp_path, kind, purpose):
    """It holds the subject as well, so it goes; the next run makes it anew."""
    number = verified(one, max(one.everybody()), kind)
    path = damaged(one, purpose)
    (tmp_path / "changes.json").write_text('{"age_years": 61}')
    changes = ("--changes", str(tmp_path / "changes.json")) if kind == "rectification" else ()
    done = one.assent("rights", "fulfil", number, *changes)
    assert done.status == 0, done.said
    assert not path.exists()
    assert not list(one.home.journal.iterdir())
    assert one.assent("rights", "show", number, "--json").json["status"] == "fulfilled"


def test_nor_who_leaves_by_custody_nor_a_correction_that_was_killed(one):
    who = max(one.everybody())
    with one.entered():
        begin(custody.KIND, {"at": AT, "subjects": [key_of(one, who)], "left_by": "custody"})
        begin("rectification", {"at": AT, "request_id": "A-0", "subject_key": key_of(one, who)})
    paths = [damaged(one, purpose) for purpose in ("personalised_offers", "permission")]
    assert one.assent("rights", "purge").status == 0
    assert [path.exists() for path in paths] == [False, True]  # what decides is made anew at once
    assert not list(one.home.journal.iterdir())
    assert who not in one.everybody()


def test_a_lost_list_of_who_was_erased_can_be_begun_anew_while_an_erasure_waits(one):
    who = max(one.everybody())
    requests = {key_of(one, who): {"request_id": "A-1", "type": "erasure"}}
    with one.entered():
        begin(erasure.KIND, {"at": AT, "requests": requests, "actor": "a test"})
    one.home.kept.unlink()
    done = one.assent("rights", "purge")
    assert (done.status, "assent rights new-kept" in done.err) == (2, True)
    done = one.assent("rights", "new-kept")
    assert done.status == 0, done.said
    assert one.assent("rights", "purge").status == 0
    assert not list(one.home.journal.iterdir())
    assert who not in one.everybody()


@pytest.fixture
def killed(one):
    """Leave what an erasure leaves that was killed as soon as it had begun."""
    who = max(one.everybody())
    number = verified(one, who, "erasure")
    requests = {key_of(one, who): {"request_id": number, "type": "erasure"}}
    with one.entered():
        begin(erasure.KIND, {"at": AT, "requests": requests, "actor": "a test"})
    return who, number


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("consent", "show", "{who}"), "no subject has that customer id"),
        (("rights", "open", "{who}", "access"), "erased"),
        (("rights", "list"), ""),
        (("explain", "{who}"), "no subject has that customer id"),
    ],
)
def test_whoever_tells_of_the_erased_finishes_their_erasure_first(one, killed, command, said):
    who, number = killed
    done = one.assent(*(word.format(who=who) for word in command))
    assert said in done.said
    assert number not in done.out
    assert not list(one.home.journal.iterdir())
    assert who not in one.everybody()


def test_nobody_waits_for_who_is_still_at_it(one, killed):
    who, _ = killed
    with one.entered(), writer_lock("a test"):
        assert one.assent("consent", "show", who).status == 0
        assert list(one.home.journal.iterdir())
    assert one.assent("rights", "list").status == 0
    assert not list(one.home.journal.iterdir())


@pytest.mark.parametrize("kind", ["access", "erasure"])
def test_no_erasure_leaves_another_request_unanswered(one, kind):
    who = max(one.everybody())
    other, number = (verified(one, who, asked) for asked in (kind, "erasure"))
    refused = one.assent("rights", "fulfil", number)
    assert (refused.status, other in refused.err) == (2, True)
    assert who in one.everybody()
    said = ("--ground", "repeated", "--complaint", "the authority")
    assert one.assent("rights", "refuse", other, *said).status == 0
    done = one.assent("rights", "fulfil", number)
    assert done.status == 0, done.said
    assert who not in one.everybody()
