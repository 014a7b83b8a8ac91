"""The dbt process: dbt's own command line, without keys in its environment, bound to its run.

Belongs here: what must hold before dbt is imported. Does not belong here: anything else.
"""

import os
import signal
import sys
import threading
import time

RUN = "ASSENT_RUN_PROCESS"
POLL_SECONDS = 0.1


def main() -> None:
    """Take the warehouse's key out of the environment, where others may be too; then be dbt."""
    _end_with_the_run()
    from warehouse import keys

    if sys.argv[1:2] != ["compile"]:  # that goes without a warehouse
        keys.hold("warehouse")
    for name in [name for name in os.environ if name.startswith(keys.PREFIX)]:
        del os.environ[name]

    from dbt.cli.main import cli

    sys.argv[0] = "dbt"
    cli()


def _end_with_the_run() -> None:
    """End when the run that started us is gone: its lock is, so nobody may write for it."""
    run = int(os.environ.get(RUN) or os.getppid())

    def watch() -> None:
        while os.getppid() == run:
            time.sleep(POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
