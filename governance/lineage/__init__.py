"""Which column is made from which: column-level lineage of the dbt project and what follows it.

Belongs here: the graph (``graph``), reading it from a manifest (``manifest``, ``build``) and out of
compiled SQL (``query``, ``tables``, ``expression``, ``scope``, ``functions``) and Jinja (``jinja``,
``hidden``), that of what ran (``ran``), of Python's source what it reaches for (``reach``), keeping
it (``cache``), what the landing tables' columns mean (``landing``) and which purpose a mart serves
(``marts``), its text (``render``). Does not belong here: judging it against the policy
(``governance.gate``), Dagster's form of it (``orchestration``).
"""
