"""The statistics of consent as an asset: a table, and a plot of it.

Belongs here: wiring, and keeping the plot. Does not belong here: counting
(``governance.consent_statistics``), drawing (``models.plots``).
"""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import dagster as dg

from governance import clocks as clock_row
from governance import consent_statistics, evidence
from orchestration.columns import STATISTICS
from orchestration.common import BY_DAY, OFFICERS, provenance, same_day
from orchestration.manifest import policy
from orchestration.metadata import columns_of
from orchestration.segments import picture
from orchestration.writer import Writer
from warehouse.home import PROJECT
from warehouse.journal import write_durably

DRAWING = PROJECT / "models" / "plots.py"
PERMISSION = ("int_consent_subjects", "int_consent_intervals")


@dg.asset(
    key=["governance", "consent_statistics"],
    description="How many granted, denied, and had a basis, by month, purpose, channel and regime",
    group_name="governance",
    owners=OFFICERS,
    kinds={"python", "duckdb"},
    **BY_DAY,
    deps=[["consented", name] for name in PERMISSION],
)
def statistics(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult:
    """Count the months that have ended, if that is due; show those that were counted."""
    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        found = consent_statistics.stand(connection, policy(), clocks)
        columns = columns_of(connection, STATISTICS)
    facts = consent_statistics.as_facts(found)
    evidence.show(evidence.CONSENT, {"counts": facts})
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(found), "consent": picture(drawn(facts)), **columns,
            **provenance(clocks),
        }
    )  # fmt: skip


def drawn(facts: Sequence[dict[str, Any]]) -> str:
    """Return the plot as SVG: the kept one, unless what it shows has changed, as once a month.

    Parameters
    ----------
    facts
        Of :func:`governance.consent_statistics.as_facts`.
    """
    path = evidence.path_of(evidence.CONSENT).with_suffix(".svg")
    drawn_from = hashlib.sha256(json.dumps(facts, default=str).encode())
    drawn_from.update(DRAWING.read_bytes() + version("matplotlib").encode())
    end = f"<!-- drawn from {drawn_from.hexdigest()} -->\n"
    svg = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    if not svg.endswith(end):
        from models import plots

        svg = plots.svg(plots.consents(facts)) + end
        write_durably(path, svg.encode())
    return svg


ASSETS = [statistics]
