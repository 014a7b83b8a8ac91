"""Storage: connections, keys, locks, the journal, publishing.

Belongs here: everything that opens, writes, syncs, swaps or locks a file under ``ASSENT_HOME``.
Does not belong here: what the rows mean (``governance``), where feeds come from (``ingest``),
what is scheduled (``orchestration``). This room imports none of the others.
"""
