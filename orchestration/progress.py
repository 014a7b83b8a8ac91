"""How a run shows itself on a terminal: one line or bar a step, never a value of a row.

Belongs here: turning Dagster's events into progress. Does not belong here: the summary at the end
(``orchestration.cli.summary``).
"""

import logging
import sys
import time
from typing import Any

import dagster as dg

TITLES = {
    "land_feeds": "Reading and landing the feeds",
    "transform": "Permission, minimisation, marts (dbt)",
    "segmentation__model": "Choosing and fitting the segments",
}


class ProgressHandler(logging.Handler):
    """Shows each step as it begins and ends: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, float] = {}
        self.live = sys.stderr.isatty()
        self.status: Any = None

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

    def _console(self) -> Any:
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    def _begin(self, title: str) -> None:
        if self.live:
            self.status = self._console().status(f"{title} ...")
            self.status.start()

    def _end(self, title: str, event: str, seconds: float) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None
        mark = {"STEP_SUCCESS": "done", "STEP_FAILURE": "FAILED", "STEP_SKIPPED": "skipped"}[event]
        if event != "STEP_SUCCESS" or seconds >= 0.5:
            self._console().print(f"  {mark:<8}{seconds:6.1f} s  {title}")


@dg.logger(config_schema={}, description="One line a step")
def progress_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that runs use on a terminal."""
    logger = logging.Logger("assent", level=logging.DEBUG)
    logger.addHandler(ProgressHandler())
    return logger
