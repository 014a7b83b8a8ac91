"""The model in force: which it is, whether its segments are published, and whether a fit is due.

Belongs here: the pointer to the stored models. Readers go by the model whose segments are
published: a run may be stopped by a check between fitting and publishing. Does not belong here:
fitting (``orchestration.segments``), the format of a stored model (``models.store``).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.clocks import Clocks
from governance.policy.load import policy_hash
from governance.policy.words import SEGMENT_PURPOSE
from governance.sealed import require_own, seal, unsealed
from models.features import MIX, MIX_PREFIX
from orchestration.feeds import absent_columns
from orchestration.manifest import policy
from warehouse.errors import UsageError
from warehouse.home import Home
from warehouse.journal import read_json, sync_folder, write_durably

if TYPE_CHECKING:
    from models.deciding import Deciding
    from models.model import SegmentModel

# Sealed: means and shares of two fits between which one subject left would say what it was like.
MODEL_FILE = "model.skops.sealed"
DECIDING = "deciding.json.sealed"  # what decides of the model, for whoever explains
SEALED = ".sealed"  # what an earlier version left lacks it
TYPICAL = "typical.json"  # the median of every feature, by segment
# What refuses a text that names anybody, told where it would be kept: ``Door.require_unkeyed``.
Judge = Callable[[str, str], None]
SHOWN = ("segment_*.md", "sizes.svg", "profiles.svg", "bias.json", TYPICAL)


def folder(name: str = "") -> Path:
    """Return the folder of the purpose's artefacts, or of one model in it."""
    return Home.current().make().artefacts / SEGMENT_PURPOSE / name


def record() -> dict[str, Any] | None:
    """Return what is recorded of the model in force, or None before the first fit."""
    pointer, mend = folder() / "current.json", "remove it: the next run fits anew"
    if not pointer.exists():
        return None
    found = read_json(pointer, mend)
    named = found.get("folder"), found.get("previous") or ""
    if not all(isinstance(name, str) and name == Path(name).name != ".." for name in named):
        raise UsageError(f"{pointer} isn't whole: it names no folder beside it", mend)
    return found


def place() -> Path:
    """Return the folder of the model in force.

    Raises
    ------
    UsageError
        If none has been fitted.
    """
    found = record()
    if found is None:
        raise UsageError("no model has been fitted", "materialise segmentation/model first")
    return folder(found["folder"])


def point_to(facts: dict[str, Any], require_unkeyed: Judge) -> None:
    """Make a stored model the one in force; ``facts`` name its folder.

    The folder of the last model before it whose segments were published is kept as ``previous``.

    Raises
    ------
    RuleBrokenError
        If a key of a subject is among the facts.
    """
    require_unkeyed("what is noted of the model", json.dumps(facts, default=str))
    before = record() or {}
    again = before.get("folder") == facts["folder"]
    was_published = bool(before) and before.get("published", True)  # earlier versions kept no note
    replaced = before.get("folder" if was_published and not again else "previous")
    _write(facts | {"published": again and was_published, "previous": replaced})


def publish() -> None:
    """Note that what is published are segments of the model in force."""
    found = record()
    if found is not None:
        _write(found | {"published": True})


def _write(facts: dict[str, Any]) -> None:
    write_durably(folder() / "current.json", json.dumps(facts, default=str).encode())


def _published() -> Path | None:
    """Return the folder of the model whose segments are published; None if it isn't known."""
    found = record() or {}
    name = found.get("folder" if found.get("published", True) else "previous")
    return folder(name) if name else None


def in_force() -> list[dict[str, str]]:
    """Return the model in force as receipts name it (``governance.rights.answer.Meanings``)."""
    found = record()
    if found is None:
        return []
    fitted = date.fromisoformat(found["fitted_as_of"])
    return [{
        "purpose": SEGMENT_PURPOSE,
        "model": found["folder"],
        "fitted_as_of": str(fitted),
        "refit_by": str(fitted + timedelta(days=policy().segmentation.refit_days)),
    }]  # fmt: skip


def standing(name: str) -> str:
    """Return how a model that a receipt names stands now."""
    found = record()
    if found and found["folder"] == name:
        return "in force: not fitted anew yet"
    return f"replaced by the fit of {found['fitted_as_of']}" if found else "gone"


def loaded() -> "SegmentModel":
    """Return the model in force.

    Raises
    ------
    UsageError
        If none has been fitted, or its file isn't whole.
    """
    return _loaded(place())


def _loaded(where: Path) -> "SegmentModel":
    from models import store

    if (where / MODEL_FILE.removesuffix(SEALED)).exists():
        raise UsageError("the model was stored by an earlier version of Assent", "run `assent run`")
    try:
        return store.loaded(_unsealed(where / MODEL_FILE))
    except (OSError, ValueError) as error:
        raise UsageError(f"the model can't be loaded: {error}", _instead(where)) from None


def _instead(where: Path) -> str:
    """Return what to do about a model that can't be read."""
    if where.name == (record() or {}).get("folder"):
        return f"restore it, or remove {folder() / 'current.json'}: the next run fits anew"
    return f"restore it, or remove {where}: what is explained isn't compared with that model, then"


def plots(names: Iterable[str]) -> dict[str, str]:
    """Return those plots that the fit of the model in force has left, as SVG by name."""
    drawn = {name: place() / f"{name}.svg" for name in names}
    return {name: path.read_text(encoding="utf-8") for name, path in drawn.items() if path.exists()}


def describe(name: str, texts: Mapping[str, str], require_unkeyed: Judge) -> None:
    """Put the card and the plots of a fit beside its model, by name of the file.

    Raises
    ------
    RuleBrokenError
        If a key of a subject is in any; then none of them is put there.
    """
    _judge(texts, require_unkeyed)
    _put(folder(name), texts)


def show(texts: Mapping[str, str], past: date | None, require_unkeyed: Judge) -> None:
    """Put aggregates beside the model in force, those of a past day in a folder of it.

    What was there and isn't shown any more goes.

    Raises
    ------
    RuleBrokenError
        If a key of a subject is in any; then none of them is put there.
    """
    _judge(texts, require_unkeyed)
    folder_of = place() / past.isoformat() if past else place()
    folder_of.mkdir(mode=0o700, exist_ok=True)
    for old in (path for pattern in SHOWN for path in folder_of.glob(pattern)):
        if old.name not in texts:
            old.unlink()
    _put(folder_of, texts)


def _judge(texts: Mapping[str, str], require_unkeyed: Judge) -> None:
    for name, text in texts.items():
        require_unkeyed(f"{SEGMENT_PURPOSE}/{name}", f"{name}\n{text}")


def _put(where: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        write_durably(where / name, text.encode())


def typical() -> dict[int, dict[str, float]]:
    """Return the median of every feature by published segment, as released; empty if none is."""
    where = _published()
    path = where / TYPICAL if where else None
    if path is None or not path.exists():
        return {}
    found = read_json(path, "run `assent run`, which writes it anew")
    return {int(segment): figures for segment, figures in found.items()}


def deciding() -> "Deciding | None":
    """Return the model whose segments are published as it decides, without loading scikit-learn.

    None if no model is known to be that.

    Raises
    ------
    UsageError
        If its file isn't whole.
    """
    where = _published()
    return _deciding(where) if where else None


def previous() -> "Deciding | None":
    """Return the model whose segments were published before these, if it is kept."""
    found = record() or {}
    name = found.get("previous") if found.get("published", True) else None
    if not name or not (folder(name) / MODEL_FILE).exists():
        return None
    return _deciding(folder(name))


def _deciding(where: Path) -> "Deciding":
    from models.deciding import deciding as read_back

    path = where / DECIDING
    mend = f"remove {path}: the model itself is read instead, which takes longer"
    whole = None if path.exists() else _loaded(where)
    try:
        return read_back(json.loads(_said(whole) if whole else _unsealed(path)))
    except ValueError as error:
        raise UsageError(f"the model can't be explained: {path} isn't whole", mend) from error


def keep(model: "SegmentModel", name: str) -> None:
    """Store a model in its folder, and apart what decides of it."""
    from models import store

    folder(name).mkdir(parents=True, exist_ok=True)
    _seal(folder(name) / MODEL_FILE, store.dumped(model))
    _seal(folder(name) / DECIDING, _said(model).encode())


def seal_earlier() -> None:
    """Seal the models that earlier versions stored in clear, or sealed for no place of their own.

    Done again, it goes on. What can't be read stays as it is.

    Raises
    ------
    UsageError
        If there are any, and the vault is missing or another: what it sealed would be lost with it.
    """
    names = MODEL_FILE, DECIDING
    placeless = [path for name in names for path in folder().glob(f"*/{name}")]
    clear = [path for name in names for path in folder().glob(f"*/{name.removesuffix(SEALED)}")]
    if placeless or clear:
        require_own()
    for path in placeless:
        with suppress(ValueError):
            _seal(path, unsealed(path.read_bytes()))
    for path in clear:
        _seal(path.with_name(path.name + SEALED), path.read_bytes())
        path.unlink()
        sync_folder(path.parent)


def _seal(path: Path, content: bytes) -> None:
    write_durably(path, seal(content, _place_of(path)))


def _unsealed(path: Path) -> bytes:
    return unsealed(path.read_bytes(), _place_of(path))


def _place_of(path: Path) -> str:
    """Return what a sealed file is sealed with: another model's, put here, isn't read."""
    return path.relative_to(folder().parent).as_posix()


def _said(model: "SegmentModel") -> str:
    from models import store

    return json.dumps(store.deciding(model), sort_keys=True)


def fit_is_due(clocks: Clocks) -> bool:
    """Tell whether a run has to fit.

    It has to if there is no model yet, or one that is too old, was fitted under another policy, or
    reads a feature that no feed is a source of any more. A past ``as_of`` never replaces the model
    in force.
    """
    found = record()
    if found is None:
        return True
    if not clocks.current:
        return False
    if not absent_columns(SEGMENT_PURPOSE).isdisjoint(map(_column, found.get("features", ()))):
        return True
    age = (clocks.as_of - date.fromisoformat(found["fitted_as_of"])).days
    return age >= policy().segmentation.refit_days or found["policy_hash"] != policy_hash(policy())


def _column(feature: str) -> str:
    return MIX if feature.startswith(MIX_PREFIX) else feature
