"""Example feeds: the demo's (`journey`) and a transactions-only shop (`cdnow`).

Belongs here: entry points that `sources.yaml` files name. Does not belong here: anything that the
pipeline itself needs; a company's own feeds take the same way in.
"""
