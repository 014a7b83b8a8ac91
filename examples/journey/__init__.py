"""The demo: a year of grocery shopping of 2,469 households, with synthetic people and consent.

Belongs here: the demo's feeds and the words that label them. Does not belong here: anything that
another company's feeds would need as well (``ingest``), any rule (``policy.yaml``).
"""
