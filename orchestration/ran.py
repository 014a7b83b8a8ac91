"""What dbt ran for each model: kept after each build, and held to the column gate once more.

Belongs here: taking it out of dbt's artefacts, keeping it beside them, what the gate finds in it.
Does not belong here: the graph of it (``governance.lineage.ran``), running dbt
(``orchestration.transform``). The file holds SQL, which holds no data.
"""

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from governance.findings import Finding
from governance.gate import judge_columns
from governance.lineage.build import build
from governance.lineage.cache import cached, fingerprint
from governance.lineage.graph import Lineage
from governance.lineage.manifest import models_of
from governance.lineage.ran import graph_of_run
from orchestration.manifest import manifest, policy
from warehouse.home import Home
from warehouse.journal import write_durably


def target() -> Path:
    """Return the folder of dbt's artefacts."""
    folder = Home.current().make().dbt / "target"
    folder.mkdir(exist_ok=True)
    return folder


def results() -> list[dict[str, Any]]:
    """Return what dbt's last build says of each model and test; nothing if it came to no end."""
    path = target() / "run_results.json"
    return list(json.loads(path.read_bytes())["results"]) if path.exists() else []


def complete() -> bool:
    """Tell whether it is on record of every model what dbt ran last: no build was killed."""
    return models_of(manifest()).keys() <= _kept().keys()


def begin(names: Collection[str]) -> None:
    """Forget what is about to be built again."""
    (target() / "run_results.json").unlink(missing_ok=True)
    _keep({name: sql for name, sql in _kept().items() if name not in names})


def end() -> None:
    """Keep what was run, whatever became of it."""
    ran = {
        r["unique_id"].split(".")[2].lower(): r["compiled_code"]
        for r in results() if r["unique_id"].startswith("model.")
    }  # fmt: skip
    _keep(_kept() | ran)


def findings() -> list[Finding]:
    """Return what the column gate finds in what dbt ran; nothing if it is what was judged."""
    path = target() / "manifest.json"
    wrote = path.read_bytes() if path.exists() else b""
    return list(_judged(wrote, json.dumps(_kept())))


@lru_cache(maxsize=1)  # each mart's checks ask; what was run is the same for all
def _judged(wrote: bytes, kept: str) -> tuple[Finding, ...]:
    run = json.loads(wrote) if wrote else manifest()
    graph = graph_of_run(manifest(), run, json.loads(kept), _built)
    return tuple(judge_columns(policy(), graph)) if graph else ()


def _built(run: Mapping[str, Any]) -> Lineage:
    """Return the graph of a run, kept beside its SQL: one day's is mostly the last one's."""
    path = _file().with_suffix(".lineage.json")
    return cached(path, fingerprint(run), lambda: build(run))


def _file() -> Path:
    return Home.current().dbt / "ran.json"


def _kept() -> dict[str, str]:
    kept: dict[str, str] = json.loads(_file().read_bytes()) if _file().exists() else {}
    return kept


def _keep(ran: dict[str, str]) -> None:
    write_durably(_file(), json.dumps(ran).encode())
