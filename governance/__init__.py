"""What may be done with personal data, and proof of it.

Belongs here: policy, consent, identity, rights, anonymity, privacy budget, release, lineage, audit
log, evidence. Does not belong here: Dagster or anything that schedules (``orchestration``), the
opening of database files (``warehouse``), reading feeds (``ingest``), estimators (``models``). This
room imports ``warehouse`` and none of the others.
"""
