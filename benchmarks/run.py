"""``make bench``: the governed pipeline beside a bare one, in one run, as ratios.

Belongs here: which sizes and which runs are compared, and the table. Does not belong here: the
pipelines. Machines are noisy; the ratio of two runs on one machine is what this is about.
"""

import sys
from pathlib import Path
from typing import NamedTuple

from benchmarks.command import for_each_size
from benchmarks.generate import Size, generate
from benchmarks.measure import Cost, measure
from warehouse.home import PROJECT

ASSENT = str(Path(sys.executable).with_name("assent"))
SIZES = {"10k": Size(10_000, 500_000), "100k": Size(100_000, 5_000_000),
         "1m": Size(1_000_000, 50_000_000)}  # fmt: skip
MORE = "one more day, against the full run"
MARTS = "group:marts or group:consented or group:staging or key:landing/clocks"


class Row(NamedTuple):
    """One line of the table."""

    size: str
    what: str
    bare: Cost
    governed: Cost


def compare(name: str, size: Size, folder: Path) -> list[Row]:
    """Run both pipelines at one size: without and with model fitting, then one more day."""
    feeds = folder / "feeds"
    generate(size, feeds)
    rows = []
    for fit in (False, True):
        out = folder / f"bare-{fit}.duckdb"
        bare = measure(_bare(feeds, out, fit=fit), {}, folder / "log")
        home = folder / f"home-{fit}"
        cost = measure(governed(fit=fit), environment(home, feeds), folder / "log")
        rows.append(Row(name, "with model" if fit else "without model", bare, cost))
    generate(size, feeds, extra_day=True)
    more = measure(governed(fit=True), environment(folder / "home-True", feeds), folder / "log")
    rows.append(Row(name, MORE, rows[-1].governed, more))
    return rows


def _bare(feeds: Path, out: Path, *, fit: bool) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.bare", "--feeds", str(feeds), "--out", str(out)]
    return [*command, "--fit"] if fit else command


def governed(*, fit: bool) -> list[str]:
    """Return the command that runs the pipeline."""
    command = [ASSENT, "run"]
    return command if fit else [*command, "--select", MARTS]


def environment(home: Path, feeds: Path) -> dict[str, str]:
    """Return the settings of a state on generated feeds; its policy is written beside it."""
    return {
        "ASSENT_HOME": str(home),
        "ASSENT_SOURCES": str(feeds / "sources.yaml"),
        "ASSENT_POLICY": str(_policy(home.parent)),
    }


def _policy(folder: Path) -> Path:
    """Write the shipped policy with the completeness of generated demographics, and return it."""
    shipped = (PROJECT / "policy.yaml").read_text(encoding="utf-8")
    told = "completeness: {marital_status: 0.5"
    generated = (
        "completeness: {age_band: 0.5, income_group: 0.5, children: 0.5, marital_status: 0.5"
    )
    path = folder / "policy.yaml"
    path.write_text(shipped.replace(told, generated), encoding="utf-8")
    return path


def table(rows: list[Row]) -> str:
    """Return the rows as text, and where the longest ones spent their time."""
    head = (
        f"{'customers':>9}  {'run':<36}{'bare s':>9}{'Assent s':>10}{'ratio':>7}{'of CPU':>8}"
        f"{'peak GiB':>10}"
    )
    lines = [head, "-" * len(head)]
    for row in rows:
        ratio = row.governed.seconds / row.bare.seconds
        of_cpu = row.governed.cpu_seconds / row.bare.cpu_seconds
        lines.append(
            f"{row.size:>9}  {row.what:<36}{row.bare.seconds:9.1f}{row.governed.seconds:10.1f}"
            f"{ratio:7.2f}{of_cpu:8.2f}{row.governed.peak_gib:10.2f}"
        )
    return "\n".join([*lines, *map(_where, rows[-2:])])


def _where(row: Row) -> str:
    steps = "; ".join(f"{step} {seconds:.0f}" for step, seconds in row.governed.steps[:8])
    others = row.governed.seconds - sum(seconds for _, seconds in row.governed.steps[:8])
    return f"Seconds of '{row.what}' at {row.size}: {steps}; all else {others:.0f}"


def main() -> None:
    """Run the sizes asked for (default: all) and print the table."""
    for_each_size(
        "Governed against bare.",
        list(SIZES),
        lambda name, folder, _: compare(name, SIZES[name], folder),
        table,
    )


if __name__ == "__main__":
    main()
