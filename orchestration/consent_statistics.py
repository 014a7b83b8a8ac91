"""The statistics of consent as an asset: a table, and a plot of it.

Belongs here: wiring. Does not belong here: counting (``governance.consent_statistics``), drawing
(``models.plots``).
"""

import dagster as dg

from governance import clocks as clock_row
from governance import consent_statistics, evidence
from orchestration.columns import STATISTICS
from orchestration.common import BY_DAY, OFFICERS, provenance, same_day
from orchestration.manifest import policy
from orchestration.metadata import columns_of
from orchestration.segments import picture
from orchestration.writer import Writer
from warehouse.journal import write_durably

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
    from models import plots

    with writer.warehouse() as connection:
        clocks = same_day(context, clock_row.read(connection))
        found = consent_statistics.stand(connection, policy(), clocks)
        columns = columns_of(connection, STATISTICS)
    facts = consent_statistics.as_facts(found)
    evidence.show(evidence.CONSENT, {"counts": facts})
    svg = plots.svg(plots.consents(facts))
    write_durably(evidence.path_of(evidence.CONSENT).with_suffix(".svg"), svg.encode())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(found), "consent": picture(svg), **columns,
            **provenance(clocks),
        }
    )  # fmt: skip


ASSETS = [statistics]
