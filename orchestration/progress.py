"""How a run shows itself on a terminal: one line or bar a step, never a value of a row.

Belongs here: turning Dagster's events into progress. Does not belong here: the summary at the end
(``orchestration.cli.summary``).
"""

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

import dagster as dg

TITLES = {
    "land_feeds": "Reading and landing the feeds",
    "transform": "Permission, minimisation, marts (dbt)",
    "segmentation__model": "Choosing and fitting the segments",
}


_bars: "list[Progress]" = []  # that of the step that this process runs, if a terminal shows it


def tell(what: str, share: float | None = None) -> None:
    """Say what the running step is at; seen on a terminal only.

    Parameters
    ----------
    what
        A few words; no value of a row.
    share
        How much of the step is done, from 0 to 1; None if nobody knows.
    """
    for bar in _bars:
        task = bar.tasks[0]
        bar.update(task.id, total=None if share is None else 1, completed=share, what=what)


class ProgressHandler(logging.Handler):
    """Shows each step as it begins and ends: a bar on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, float] = {}
        self.live = sys.stderr.isatty()
        # A terminal of its own: a bar goes on while what a feed's code writes is withheld.
        self.file = os.fdopen(os.dup(sys.stderr.fileno()), "w") if self.live else None

    def emit(self, record: logging.LogRecord) -> None:
        """Handle one record of Dagster's log."""
        event = getattr(record, "dagster_event", None)
        if event is None or event.step_key is None:
            return
        title = TITLES.get(event.step_key, event.step_key.replace("__", " ").replace("_", " "))
        if event.event_type_value == "STEP_START":
            self.started[event.step_key] = time.monotonic()
            self._begin(title)
        elif event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE", "STEP_SKIPPED"):
            began = self.started.pop(event.step_key, time.monotonic())
            self._end(title, event.event_type_value, time.monotonic() - began)

    def _console(self) -> "Console":
        from rich.console import Console

        return Console(file=self.file, stderr=True, highlight=False)

    def _begin(self, title: str) -> None:
        if not self.live:
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("  {task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
            console=self._console(),
            transient=True,
        )
        bar.add_task(title, total=None, what="")
        bar.start()
        _bars.append(bar)

    def _end(self, title: str, event: str, seconds: float) -> None:
        while _bars:
            _bars.pop().stop()
        mark = {"STEP_SUCCESS": "done", "STEP_FAILURE": "FAILED", "STEP_SKIPPED": "skipped"}[event]
        if event != "STEP_SUCCESS" or seconds >= 0.5:
            self._console().print(f"  {mark:<8}{seconds:6.1f} s  {title}")


@dg.logger(config_schema={}, description="One line a step")
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that runs use on a terminal."""
    logger = logging.Logger("assent", level=logging.DEBUG)
    logger.addHandler(ProgressHandler())
    return logger
