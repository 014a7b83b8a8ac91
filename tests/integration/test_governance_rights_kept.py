"""What is kept is found by its handle, however much is kept."""

from datetime import datetime

import pytest

from governance.rights import kept

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
