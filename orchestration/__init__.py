"""Dagster and the command line: the room that wires the others together.

Belongs here: assets, checks, resources, jobs, schedules, sensors, commands. The only room that
knows Dagster. Does not belong here: computation; an asset calls one function of another room and
turns what it returns into metadata.
"""
