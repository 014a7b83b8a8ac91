"""What is kept is found by its handle, however much is kept."""

import json
from datetime import datetime

import pytest

from governance.policy.words import HELD
from governance.rights import kept, receipt

AT = datetime(2026, 1, 1)


class Explained:
    """A connection that notes how DuckDB goes about what it is asked."""

    def __init__(self, connection):
        self.connection, self.plans = connection, []

    def execute(self, statement, *values):
        if statement.startswith("select"):
            plan = self.connection.execute(f"explain {statement}", *values).fetchall()
            self.plans += [text for _, text in plan]
        return self.connection.execute(statement, *values)


@pytest.fixture
def file(monkeypatch, tmp_path):
    monkeypatch.setenv("ASSENT_HOME", str(tmp_path / "home"))
    with kept.opened(first=True) as connection:
        asked = [("ann", "R-1", "access"), ("bob", "R-2", "erasure")]
        kept.add_steps(connection, asked, "verified", at=AT, actor="dpo", method="call")
        yield Explained(connection)


def test_steps_are_those_of_each_customer(file):
    found = kept.steps_of(file, ["ann", "cyd"])
    assert {of: [step["step"] for step in steps] for of, steps in found.items()} == {
        ("ann", "R-1", "access"): ["verified"]
    }


@pytest.mark.parametrize(
    "asked", [lambda c: kept.steps_of(c, ["ann", "bob"]), lambda c: kept.whose(c, ["R-1", "R-2"])]
)
def test_no_handle_is_made_for_every_pair(file, asked):
    assert asked(file)
    plan = "".join(file.plans)
    assert "HASH_JOIN" in plan
    assert "NL_JOIN" not in plan


def test_a_hold_isnt_over_by_what_ended_another_request_of_its_number(file):
    for kind, step, told in (("restriction", HELD, {"until": "2026-12-31"}),
                             ("access", "refused", {})):  # fmt: skip
        kept.add_step(file, "ann", ("A-1", kind), step, at=AT, actor="dpo", **told)
    assert [number for _, number, *_ in file.execute(f"from {kept.HOLDS}").fetchall()] == ["A-1"]


def test_receipts_of_before_are_of_their_requests_types_and_none_is_in_anothers_place(
    monkeypatch, tmp_path
):
    """Whoever opens the file finds them so, before anything else is brought up."""
    monkeypatch.setenv("ASSENT_HOME", str(tmp_path / "home"))
    signed, begun = {"type": "access", "signature": "x"}, {"rows_found": {}}
    with kept.opened(first=True) as connection:
        connection.execute("drop table kept.receipts")
        connection.execute(
            "create table kept.receipts (request_id varchar not null, handle uuid not null,"
            " receipt varchar not null, primary key (request_id, handle))"
        )
        ann, bob = (kept.handle_of(connection, who) for who in ("ann", "bob"))
        for whose, told in ((ann, signed), (bob, begun)):
            connection.execute(
                "insert into kept.receipts values ('7', ?, ?)", [whose, json.dumps(told)]
            )
    before = {(ann, "7", "access"): signed, (bob, "7", "erasure"): begun}
    more = {(ann, "7", "erasure"): begun, (bob, "7", "erasure"): signed}
    with kept.opened() as connection:
        assert receipt.kept_of(connection, ["7"]) == before
        receipt.keep(connection, more)
    with kept.opened() as connection:
        assert receipt.kept_of(connection, ["7"]) == before | more
