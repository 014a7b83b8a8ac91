"""What a backup leaves that was killed before it took its place."""

import signal
import subprocess
import sys

from governance import backup
from warehouse.home import PROJECT


def test_what_a_killed_backup_left_is_no_obstacle_and_goes(small, tmp_path):
    one = small.copy(tmp_path / "home")
    left = tmp_path / ".state.unfinished"
    (left / "dagster").mkdir(parents=True)
    (left / "warehouse.duckdb").write_bytes(b"half of it")
    assert one.assent("backup", "--to", str(tmp_path / "state")).status == 0
    assert not left.exists()
    assert one.assent("restore", "--from", str(tmp_path / "state")).status == 0


def test_salts_that_a_killed_backup_left_are_counted_and_go_with_the_next_command(small, tmp_path):
    one = small.copy(tmp_path / "home")
    killed = (
        "import os; from orchestration.cli.main import main;"
        "os.rename = lambda *_: os.kill(os.getpid(), 9);"  # before it takes its place
        f"main(['backup', '--separate', '--to', {str(tmp_path / 'apart')!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", killed], env=one.environment, cwd=PROJECT, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / ".apart.unfinished" / "salts").exists()
    with one.entered():
        assert backup.oldest_salts() is not None
    assert one.assent("keys", "rotate", "inbox").status == 0
    assert not (tmp_path / ".apart.unfinished").exists()
    assert not list(one.home.releases.glob("backup-*.json"))
