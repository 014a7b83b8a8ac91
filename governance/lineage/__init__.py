"""Which column is made from which: column-level lineage of the dbt project and what follows it.

Belongs here: the graph (``graph``), reading it out of compiled SQL (``query``, ``expression``,
``scope``, ``functions``, ``hidden``), from a manifest (``build``), keeping it (``cache``), what the
landing tables' columns mean (``landing``), its text (``render``). Does not belong here: judging it
against the policy (``governance.gate``), Dagster's form of it (``orchestration``).
"""
