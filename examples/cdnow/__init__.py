"""A second example: the purchases of CDNOW's customers, with a generated consent feed.

Belongs here: its feeds, ``sources.yaml`` and ``policy.yaml``. Does not belong here: anything that
the demo needs (``examples.journey``).
"""
