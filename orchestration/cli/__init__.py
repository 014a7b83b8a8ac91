"""The command line: a thin door to the code that the UI runs.

Belongs here: arguments, printing, exit status. Does not belong here: computation.
"""
