"""A state as one version of Assent leaves it, kept so that later versions are tested on it.

``python -m tests.support.left_state`` writes ``tests/fixtures/states/<schema version>.tar.xz`` by
the code beside it: run it before ``warehouse.schema.VERSION`` is raised, and never again for that
version. The state is made of generated feeds, in clear (it has to be small), without what is made
anew by itself; nothing in it is of anybody, and its keys are made from its name.

Belongs here: making such a state and laying one out. Does not belong here: what is expected of it.
"""

import hashlib
import json
import tarfile
import tempfile
from pathlib import Path

from benchmarks.generate import Size, generate
from tests.support.in_clear import OVERRIDE, InClear
from tests.support.installation import Done, Installation, policy_with
from warehouse import schema
from warehouse.home import PROJECT

STATES = PROJECT / "tests" / "fixtures" / "states"
SIZE = Size(600, 12_000)
KEYS = (
    "inbox", "kept", "receipts", "salts", "vault", "warehouse", "published_bias_monitoring",
    "published_churn_prevention", "published_permission", "published_personalised_offers",
    "published_segmentation",
)  # fmt: skip
WHO = "who.json"
MADE_ANEW = ("dagster", "dbt", "running", "spill")


def laid_out(version: int, folder: Path) -> InClear:
    """Lay out the state that a version left, with its keys and feeds, under the policy of today."""
    with tarfile.open(STATES / f"{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return _installation(folder)


def leave(folder: Path) -> Path:
    """Make a state in a folder and pack it; return the archive.

    A run, an export, and three of its members: one erased, one who objects, one who withdraws; the
    words of the latter two wait in the inbox.
    """
    generate(SIZE, folder / "feeds")
    one = _installation(folder)
    _did(one, "run")
    export = folder / "export.csv"
    _did(one, "export", "1", "--purpose", "segmentation", "--recipient", "store_planning",
         "--to", str(export), "--unencrypted")  # fmt: skip
    erased, objects, withdraws = (line.strip('"') for line in export.read_text().split()[1:4])
    asked = _did(one, "rights", "open", erased, "erasure", "--json").json["request_id"]
    _did(one, "rights", "verify", asked, "--method", "ID card")
    _did(one, "rights", "fulfil", asked)
    _did(one, "rights", "open", objects, "objection")
    _did(one, "consent", "record", withdraws, "withdrawn")
    who = {"erased": erased, "objects": objects, "withdraws": withdraws}
    (folder / WHO).write_text(json.dumps(who))
    STATES.mkdir(parents=True, exist_ok=True)
    archive = STATES / f"{schema.VERSION}.tar.xz"
    with tarfile.open(archive, "w:xz") as packed:
        for name in ("feeds", "home", WHO):
            packed.add(folder / name, name, filter=_kept)
    return archive


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    parts = Path(member.name).parts
    return None if parts[0] == "home" and set(parts) & set(MADE_ANEW) else member


def _did(one: Installation, *arguments: str) -> Done:
    done = one.assent(*arguments)
    assert done.status == 0, done.said
    return done


def _installation(folder: Path) -> InClear:
    one = InClear(folder / "home", folder / "feeds" / "sources.yaml", policy_with(folder, OVERRIDE))
    one.keys.mkdir(exist_ok=True)
    for name in KEYS:
        key = one.keys / name
        if not key.exists():
            key.write_text(hashlib.sha256(name.encode()).hexdigest())
            key.chmod(0o600)
    return one


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        leave(Path(temporary))
