"""A clock that is set ahead of the host's, by which Dagster would end its days."""

from datetime import date, timedelta

from benchmarks import generate
from tests.support.installation import SMALL, policy_with

AHEAD = 40


def test_feeds_of_days_that_are_still_to_come_run_to_their_end(compiled, monkeypatch, tmp_path):
    newest = date.today() + timedelta(AHEAD)
    with monkeypatch.context() as feeds:
        feeds.setattr(generate, "START", newest - timedelta(SMALL.days - 1))
        generate.generate(SMALL, tmp_path / "feeds")
    one = compiled.fresh(
        tmp_path / "home", sources=tmp_path / "feeds" / "sources.yaml", policy=policy_with(tmp_path)
    )
    done = one.process("run")
    assert done.status == 0, done.said
    assert f"as of {newest}" in done.said
    for day, clock in ((1, {}), (0, {"ASSENT_NOW": f"{newest - timedelta(5)}T23:00:00Z"})):
        beyond = one.process("run", "--as-of", str(newest + timedelta(day)), **clock)
        assert (beyond.status, "no day that can be asked for" in beyond.err) == (2, True), (
            beyond.said
        )
