"""Encryption keys: where each file's key comes from.

Belongs here: finding, making and withholding keys. Does not belong here: using one
(``warehouse.connect``). A key is named after its file: ``warehouse``, ``vault``, ``salts``,
``inbox``, ``kept``, ``published_<purpose>``; with ``receipts``, receipts are signed. It comes from
``ASSENT_KEY_<NAME>``, else from the file that ``ASSENT_KEY_<NAME>_FILE`` names, else from the
folder ``ASSENT_KEYS``
(default: beside ``ASSENT_HOME``, so that a copy of the state doesn't carry its keys along). In
production mode a key is supplied by one of the three: what lies in the default folder, a local run
may have made.

While a key is changed there are two: the new one comes from ``ASSENT_KEY_NEW_<NAME>``, else from
the file that ``ASSENT_KEY_NEW_<NAME>_FILE`` names, else from ``<NAME>.new`` in the folder. Whatever
is written anew is written with it; what is there already opens with either.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from warehouse.aside import begun
from warehouse.clock import now
from warehouse.errors import WRITTEN_ANEW, KeyMissingError
from warehouse.home import Home, production

PREFIX = "ASSENT_KEY_"
NEW = f"{PREFIX}NEW_"
FEWEST_CHARACTERS = 16
FEWEST_IN_PRODUCTION = 32

_held: dict[str, list[str]] = {}


def folder() -> Path:
    """Return the folder of key files."""
    named = os.environ.get("ASSENT_KEYS")
    if named:
        return Path(named).expanduser().absolute()
    root = Home.installed().root
    return root.with_name(root.name + ".keys")


def get(name: str) -> str:
    """Return the key to write with; a first local run makes those that are missing (mode 0600).

    Raises
    ------
    KeyMissingError
        If no key is supplied in production mode, a key file can't be read, or a key is too short.
    """
    return fitting(name)[0]


def fitting(name: str) -> list[str]:
    """Return the keys that a file may have been written with: while it is changed, new and old.

    Raises
    ------
    KeyMissingError
        As :func:`get` does.
    """
    if name in _held:
        return _held[name]
    new = new_one(name)
    return [key for key in (new, _present(name, may_lack=bool(new))) if key]


def new_one(name: str) -> str | None:
    """Return the key that is to replace the present one; None if none is supplied."""
    variable = NEW + name.upper()
    if variable in os.environ:
        return _long_enough(os.environ[variable], variable)
    named = os.environ.get(f"{variable}_FILE")
    if named:
        return _read(f"{name}.new", Path(named))
    ours = not _by_variable(name) and (not production() or os.environ.get("ASSENT_KEYS"))
    return _read(f"{name}.new", new_file(name)) if ours and new_file(name).exists() else None


def new_file(name: str) -> Path:
    """Return where the new key lies of an installation whose keys lie in the folder."""
    return folder() / f"{name}.new"


def _by_variable(name: str) -> bool:
    """Tell whether a key comes from a variable, or from a file that one names."""
    variable = PREFIX + name.upper()
    return bool(os.environ.get(variable) or os.environ.get(f"{variable}_FILE"))


def _present(name: str, *, may_lack: bool) -> str | None:
    variable = PREFIX + name.upper()
    if variable in os.environ:
        return _long_enough(os.environ[variable], variable)
    path = Path(os.environ.get(f"{variable}_FILE") or folder() / name)
    if production() and not (os.environ.get(f"{variable}_FILE") or os.environ.get("ASSENT_KEYS")):
        raise KeyMissingError(
            f"no key for '{name}' is supplied",
            f"set {variable}, {variable}_FILE or ASSENT_KEYS (production mode takes none from"
            f" {folder()}, and makes none)",
        )
    if not path.exists():
        if may_lack:
            return None
        _make(name, path, variable)
    return _read(name, path)


def _read(name: str, path: Path) -> str:
    try:
        return _long_enough(path.read_text(encoding="ascii").strip(), f"the key file of '{name}'")
    except (OSError, UnicodeDecodeError) as error:
        raise KeyMissingError(
            f"the key file of '{name}' can't be read: {path}", "check its owner and mode (0600)"
        ) from error


def require(names: Iterable[str]) -> None:
    """Refuse to go on without good keys, before anything has begun (production mode makes none).

    Raises
    ------
    KeyMissingError
        Naming all that are missing, short, or the same as another's.
    """
    faults: list[str] = []
    used: dict[str, list[str]] = {}
    for name in names:
        try:
            used.setdefault(get(name), []).append(_supplied_by(name))
        except KeyMissingError as error:
            faults.append(str(error))
    short = [place for key, places in used.items() if len(key) < FEWEST_IN_PRODUCTION
             for place in places]  # fmt: skip
    if short:
        faults.append(
            f"shorter than {FEWEST_IN_PRODUCTION} characters: {', '.join(short)}; supply longer"
            " keys, such as `openssl rand -hex 32` prints"
        )
    faults += [
        f"the same key is in {', '.join(places)}; supply a key of its own for each file, or whoever"
        " has one opens all of these"
        for places in used.values() if len(places) > 1
    ]  # fmt: skip
    if faults:
        raise KeyMissingError("\n".join(faults))


def _supplied_by(name: str) -> str:
    """Return the variable that a key comes from, or names its file."""
    variables = (NEW + name.upper(), PREFIX + name.upper())
    named = [v for of in variables for v in (of, f"{of}_FILE") if os.environ.get(v)]
    return named[0] if named else f"{name} (of ASSENT_KEYS)"


def hold(name: str) -> None:
    """Read a key once and keep it in this process, so that its variable can go."""
    _held[name] = fitting(name)


def _long_enough(key: str, where: str) -> str:
    if len(key) < FEWEST_CHARACTERS:
        raise KeyMissingError(
            f"{where} is empty or shorter than {FEWEST_CHARACTERS} characters",
            "supply the key that its file was written with",
        )
    return key


def _make(name: str, path: Path, variable: str) -> None:
    """Make a key for a local installation; never for a file that already exists."""
    if production() or f"{variable}_FILE" in os.environ:
        why = (
            "production mode makes none"
            if production()
            else f"none is made where {variable}_FILE names one"
        )
        raise KeyMissingError(
            f"no key for '{name}': neither {variable} nor a file {path}", f"supply the key; {why}"
        )
    _require_no_file(name, path, variable)
    _draw(name, path)


def _require_no_file(name: str, path: Path, variable: str) -> None:
    """Refuse to go on without a key where a file was written with it."""
    if _written_with(name).exists():
        made = "" if not name.startswith("published_") else "; remove a file that no run has made"
        raise KeyMissingError(
            f"the key of '{name}' is gone: {path} is missing, but {_written_with(name)} exists",
            f"put the key file back, or set {variable}{made}",
        )


def _draw(name: str, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked: of two processes that make it at once, both read the first one's.
    aside, descriptor = begun(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        try:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        finally:
            aside.unlink()


def require_change(name: str) -> None:
    """Refuse to change a key that is lost, or for which there is no new one; none is made.

    Raises
    ------
    KeyMissingError
        If the key is gone, the present one is supplied and no new one, or both are the same.
    """
    new, variable = new_one(name), NEW + name.upper()
    if new is None and (_by_variable(name) or production()):
        raise KeyMissingError(
            f"no new key for '{name}' is supplied", f"set {variable} or {variable}_FILE"
        )
    if new is None and not (folder() / name).exists():
        _require_no_file(name, folder() / name, PREFIX + name.upper())
    if new and new == _present(name, may_lack=True):
        raise KeyMissingError(
            f"the new key of '{name}' is the one that it has", "supply another, or leave it out"
        )


def begin_change(name: str) -> None:
    """See to it that there is a new key: a local installation makes one, and keeps what it made.

    The caller has asked :func:`require_change`.
    """
    if new_one(name) is None:
        _draw(name, new_file(name))


def end_change(name: str) -> bool:
    """Let a local installation's new key take the old one's place; whether it did.

    The old one stays beside it, as ``<NAME>.until-<moment>``: backups were made with it. Supplied
    keys are changed by whoever supplies them.
    """
    new, path = new_file(name), folder() / name
    if production() or not new.exists() or _by_variable(name) or new_one(name) != _read(name, new):
        return False
    if path.exists():
        os.link(path, path.with_name(f"{name}.until-{now():%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"))
    os.replace(new, path)
    return True


def unfitting(path: Path, name: str, *, published: bool) -> KeyMissingError:
    """Return what to do where a key doesn't fit a file; one that is restored may have an older."""
    variable = PREFIX + name.upper()
    if Home.current() != Home.installed():
        return KeyMissingError(
            f"the key '{name}' doesn't fit the file {path.name} of the backup",
            f"supply the key that the backup was made with ({variable}), and the present one as"
            f" {NEW}{name.upper()}",
        )
    remove = f"; if that is lost, remove {path}: {WRITTEN_ANEW}" if published else ""
    return KeyMissingError(
        f"the key '{name}' doesn't fit the file {path.name}",
        f"supply the key that {path.name} was written with ({variable}){remove}",
    )


@dataclass(frozen=True)
class Source:
    """Where a key comes from, since when as far as that is known, and whether a new one waits."""

    name: str
    place: str
    since: datetime | None
    new: bool


def source_of(name: str) -> Source:
    """Return where a key comes from; never the key."""
    variable = PREFIX + name.upper()
    if os.environ.get(variable):
        return Source(name, variable, None, bool(new_one(name)))
    path = Path(os.environ.get(f"{variable}_FILE") or folder() / name)
    since = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else None
    return Source(name, str(path) if since else "nowhere", since, bool(new_one(name)))


def _written_with(name: str) -> Path:
    home = Home.current()
    if name.startswith("published_"):
        return home.published_file(name.removeprefix("published_"))
    return {"warehouse": home.warehouse, "vault": home.vault, "salts": home.salts}.get(
        name, home.root / name
    )


def without_keys(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment for a child process that must not inherit a key.

    Only the warehouse's key may pass; where keys lie in files, naming the file is no key.
    """
    kept = [f"{of}WAREHOUSE{end}" for of in (PREFIX, NEW) for end in ("", "_FILE")]
    return {k: v for k, v in environment.items() if not k.startswith(PREFIX) or k in kept}


@contextlib.contextmanager
def withheld() -> Iterator[None]:
    """Start a child process in here where its environment can't be said: it inherits this one's.

    What a process was started with can be read for as long as it lives (``/proc/<pid>/environ``),
    whatever it drops later.
    """
    kept = without_keys(dict(os.environ))
    taken = {name: os.environ.pop(name) for name in os.environ.keys() - kept}
    try:
        yield
    finally:
        os.environ.update(taken)
