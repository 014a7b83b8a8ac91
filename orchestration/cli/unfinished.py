"""What a killed process has left, before a command answers for the state.

Belongs here: when a command finishes that first. Does not belong here: how (``writing``). It needs
neither, and loads little, where nothing is left.
"""

from warehouse import journal, lock


def finish() -> None:
    """Finish what was begun, waiting for whoever writes."""
    from orchestration.writing import writing_alone

    with writing_alone("finishing what was begun"):
        pass


def finish_if_abandoned() -> None:
    """Finish what was begun, unless whoever began it is at it still.

    Of whom an erasure has begun, no command may tell, nor take a word, as if it hadn't.
    """
    if journal.waits() and not lock.writes():
        finish()
