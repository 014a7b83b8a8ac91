"""A folder to measure in, which is gone afterwards, whatever ends the benchmark.

Belongs here: making it, and the process beside us that removes it, and stops what we have started,
once we are gone: ``kill -9`` leaves nobody else to do that. Does not belong here: what is measured.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Its input ends when we do. Whatever still writes there fails once the folder is gone.
_REMOVER = """
import os, shutil, signal, sys, time
told = [int(line) for line in sys.stdin]
for group in (group for group in told if group > 0 and -group not in told):
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
for _ in range(60):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    if not os.path.exists(sys.argv[1]):
        break
    time.sleep(1)
"""


@contextmanager
def measuring_in(keep: Path | None) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """Give a folder, and what is told of each process group that has to end with us.

    Of one that has ended it is told the negative number.

    Parameters
    ----------
    keep
        A folder that stays; by default it is a temporary one.
    """
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep, lambda _: None
        return
    folder = Path(tempfile.mkdtemp(prefix="assent-bench-"))
    remover = subprocess.Popen(
        [sys.executable, "-c", _REMOVER, str(folder)], stdin=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        yield folder, lambda group: print(group, file=remover.stdin, flush=True)
    finally:
        remover.communicate()  # which ends its input
