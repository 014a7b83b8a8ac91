"""Rights of customers: requests, what is done about them, and what is kept of that.

Belongs here: opening, listing and fulfilling requests, by when each has to be answered, and the
store of what the law lets one keep.
Does not belong here: who may be processed meanwhile (``governance.consent``), reading the feed of
requests (``ingest``).
"""
