"""Withholding what code that isn't ours writes while it runs: nobody knows what its lines hold.

Belongs here: keeping standard output, standard error, log records and warnings of such code out of
logs and terminals, and saying how much that was. Does not belong here: calling it
(``ingest.connectors.python``).
"""

import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

LONGEST_WAIT = 2.0  # seconds for a process that the code left behind and that holds the pipe


class _Counter(io.TextIOBase):
    """Takes text and keeps none of it, but how many lines it was."""

    def __init__(self) -> None:
        self.lines = 0
        self.begun = False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        if text:
            self.begun = not text.endswith("\n")
        return len(text)


@contextmanager
def withheld(name: str) -> Iterator[None]:
    """Keep nothing of what is written meanwhile, and say on standard error how much it was.

    Parameters
    ----------
    name
        What a person knows the code by.
    """
    texts, bytes_ = _Counter(), _Counter()
    try:
        with ExitStack() as stack:
            stack.enter_context(_descriptors(bytes_))
            stack.enter_context(redirect_stdout(texts))
            stack.enter_context(redirect_stderr(texts))
            stack.enter_context(_messages(texts))
            yield
    finally:
        lines = sum(c.lines + c.begun for c in (texts, bytes_))
        if lines:
            told = "1 line" if lines == 1 else f"{lines:,} lines"
            it = "it isn't" if lines == 1 else "they aren't"
            sys.stderr.write(f"{name} wrote {told}, which may hold values, so {it} kept\n")


@contextmanager
def _messages(counter: _Counter) -> Iterator[None]:
    """Lead log records and warnings to a counter; a handler that the code adds goes with it."""

    def counted(*_: Any, **__: Any) -> None:
        counter.write("\n")

    handlers = logging.root.handlers
    before, handlers[:] = [*handlers], [logging.StreamHandler(counter)]
    try:
        with warnings.catch_warnings():
            warnings.showwarning = counted
            yield
    finally:
        handlers[:] = before


@contextmanager
def _descriptors(counter: _Counter) -> Iterator[None]:
    """Lead what is written past Python's streams (by C code, by a child) to a counter."""
    _flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    source, sink = os.pipe()
    reader = threading.Thread(target=_drain, args=(source, counter), daemon=True)
    reader.start()
    for number in kept:
        os.dup2(sink, number)
    os.close(sink)
    try:
        yield
    finally:
        _flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        reader.join(LONGEST_WAIT)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream and not stream.closed:
            stream.flush()


def _drain(source: int, counter: _Counter) -> None:
    with os.fdopen(source, "rb", buffering=0) as pipe:
        while chunk := pipe.read(65_536):
            counter.write(chunk.decode("latin-1"))
