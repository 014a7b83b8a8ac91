"""The compiled dbt project: made ahead, once per change, read by everybody.

Belongs here: when the project must be compiled again, and where the result lies. Does not belong
here: building models (``orchestration.transform``).
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from governance.lineage.cache import cached
from governance.lineage.cache import fingerprint as lineage_key
from governance.lineage.graph import Lineage
from governance.lineage.manifest import models_of
from governance.policy.derive import dbt_vars
from governance.policy.load import load_policy
from governance.policy.model import Policy
from orchestration.columns import with_python_assets
from warehouse.errors import PolicyGapError, UsageError
from warehouse.home import PROJECT, Home, policy_path
from warehouse.keys import without_keys

DBT_PROJECT = PROJECT / "dbt_project"
READ = (".sql", ".py", ".yml", ".yaml", ".csv", ".md")  # files that dbt reads, besides:
IGNORED = ".dbtignore"
LEFT = ("target", "logs")  # what dbt leaves in the project's folder, if it is run by hand there
# The layer of a model, which is the schema of its table, by the beginning of its name.
LAYERS = {"stg": "staging", "int": "consented", "mart": "marts"}
KINDS = ("table", "view", "incremental", "ephemeral")  # what dbt may make of a model


@cache
def policy() -> Policy:
    """Return the policy in force, read once per process."""
    return load_policy(policy_path())


def variables() -> str:
    """Return dbt's variables as the JSON that its command line takes."""
    return json.dumps(dbt_vars(policy()), sort_keys=True)


def fingerprint() -> str:
    """Return a hash over everything that the compiled project depends on."""
    digest = hashlib.sha256(variables().encode())
    for path in sorted(_project_files()):
        digest.update(str(path.relative_to(DBT_PROJECT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _project_files() -> Iterator[Path]:
    """Return every file that dbt may read, in linked folders too, as dbt follows links."""
    for folder, folders, files in os.walk(DBT_PROJECT, followlinks=True):
        at = Path(folder)
        if at == DBT_PROJECT:
            folders[:] = [name for name in folders if name not in LEFT]
        for path in (at / name for name in files):
            if (path.suffix.lower() in READ or path.name == IGNORED) and path.is_file():
                yield path


def manifest_path() -> Path:
    """Return the manifest of the project as it stands, compiling it if it has changed.

    Raises
    ------
    UsageError
        If dbt can't compile the project.
    """
    folder = Home.current().make().dbt / "compiled"
    folder.mkdir(exist_ok=True)
    path = folder / f"{fingerprint()[:16]}.json"
    if path.exists():
        return path
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _compile(folder)
            os.replace(folder / "target" / "manifest.json", path)
    return path


@cache
def manifest() -> dict[str, Any]:
    """Return the manifest's content."""
    content: dict[str, Any] = json.loads(manifest_path().read_bytes())
    return content


@cache
def lineage() -> Lineage:
    """Return the column lineage of the compiled project and of the Python assets after it."""
    content = manifest()
    path = manifest_path().with_suffix(".lineage.json")
    graph = cached(path, lineage_key(content), lambda: _built(content))
    return with_python_assets(graph, policy())


def makes() -> set[tuple[str, str]]:
    """Return schema and name of the tables and views that models make."""
    return {(node["schema"], node["alias"]) for node in models_of(manifest()).values()}


def _built(content: dict[str, Any]) -> Lineage:
    from governance.lineage.build import build  # here: it loads sqlglot, which takes long

    return build(content)


def dbt_arguments(target: str, target_path: Path, log_path: Path) -> list[str]:
    """Return the arguments that every call of dbt shares."""
    return [
        "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT),
        "--target", target, "--target-path", str(target_path), "--log-path", str(log_path),
        "--vars", variables(),
    ]  # fmt: skip


def _compile(folder: Path) -> None:
    """Compile against an empty warehouse in memory: no data, no lock, no key is needed."""
    from governance.lineage.build import RUNS, run_while_compiling

    parsed = folder / "target" / "manifest.json"
    parsed.unlink(missing_ok=True)
    arguments = dbt_arguments("parse", folder / "target", folder / "logs")
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "orchestration.dbt_child", "compile", "--full-refresh", *arguments],
        capture_output=True, text=True, check=False, cwd=PROJECT,
        env=without_keys(dict(os.environ)),
    )  # fmt: skip
    if result.returncode:
        # dbt leaves what it parsed. What runs statements fails for want of tables, not by itself.
        runs = run_while_compiling(json.loads(parsed.read_bytes())) if parsed.exists() else []
        if runs:
            raise PolicyGapError(
                f"minimisation (gap): {', '.join(runs)} can't be judged: {RUNS}",
                'write the SQL out, without run_query and the like (docs/checks.md, "What the gate'
                " can't read\")",
            )
        raise UsageError(
            f"dbt can't compile the project: {_said(result.stdout)}",
            "mend the model, macro or file that it names",
        )
    _require_placed(json.loads(parsed.read_bytes()))


def _require_placed(content: dict[str, Any]) -> None:
    """Refuse a model whose name doesn't tell where its table lies: it would be looked for there."""
    for name, node in models_of(content).items():
        if node.get("version") is not None:
            raise UsageError(
                f"the model {name} has versions, which share its name",
                "give each a name of its own, and no versions",
            )
        config = node["config"]
        if config.get("database") or config["materialized"] not in KINDS:
            raise UsageError(
                f"the model {name} would be built in another file, or as something else than"
                f" {', '.join(KINDS)}",
                "take `database` out of its config, and give it one of these as `materialized`",
            )
        if config.get("incremental_strategy") == "microbatch":
            raise UsageError(
                f"the model {name} is built in batches; what ran then, dbt puts on no record",
                "give it another `incremental_strategy`, such as append, or make it a table",
            )
        layer = LAYERS.get(name.split("_", 1)[0])
        if (node["name"], node["alias"], node["schema"]) != (name, node["alias"].lower(), layer):
            raise UsageError(
                f"the model {node['name']} is of no layer, or its table lies elsewhere"
                f" ('{node['schema']}.{node['alias']}')",
                "write its name in lower case, as stg_..., int_... or mart_..., and give it no"
                f" schema but that of its layer ({', '.join(LAYERS.values())})",
            )


def _said(text: str) -> str:
    """Return what dbt failed with, on one line: where, and the first line of what is wrong."""
    lines = [line.strip() for line in text.partition("Encountered an error:")[2].splitlines()]
    lines = [line for line in lines if line] or text.strip().splitlines()[-1:]
    if len(lines) > 1 and " in " not in lines[0]:  # the kind of error, said again with the place
        lines = lines[1:]
    return ": ".join(lines[:2])
