"""Feeds: where they are, what is wrong with them, and how their rows get into ``landing``.

Belongs here: ``sources.yaml`` (``sources``, ``expressions``), the connectors, the landing contract
(``contract``), validation (``projection``, ``check``), loading (``load`` and what it is made of),
the quarantine, the feeds' figures (``feeds``). Does not belong here: opening DuckDB files
(``warehouse``), pseudonyms and the vault (``governance.identity``), staging and later layers (dbt).
"""
