"""By which key each published file was written last, so that another file is known.

Belongs here: noting it, and telling whether that is the key at hand. Of a file that this key
doesn't open, it says which of the two is wrong: the file, such as an older copy that somebody has
put back, or the key. Does not belong here: where keys come from (``keys``), what becomes of such
a file (``publish``).

What is noted of a key is a salted digest of it: enough to tell it again, not to open a file.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping

from warehouse import keys
from warehouse.home import Home
from warehouse.journal import read_json, write_durably

Notes = Mapping[str, Mapping[str, str]]


def notes(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return what is to be noted of keys, by name, once files that they write are in place."""
    found = {}
    for name in names:
        salt = secrets.token_hex(16)
        found[name] = {"salt": salt, "digest": _digest(salt, keys.get(name))}
    return found


def note(written: Notes) -> None:
    """Note of files that have taken their place which keys have written them."""
    known = _known()
    if written:
        text = json.dumps({**known, **written}, indent=1, sort_keys=True)
        write_durably(Home.current().written_with, text.encode())


def fits(name: str) -> bool:
    """Tell whether a key at hand is the one that its file was written with last.

    False, too, where nobody knows.
    """
    noted = _known().get(name)
    return noted is not None and any(
        hmac.compare_digest(_digest(noted["salt"], key), noted["digest"])
        for key in keys.fitting(name)
    )


def _known() -> dict[str, dict[str, str]]:
    path = Home.current().written_with
    return read_json(path, "remove it: a run writes it anew") if path.exists() else {}


def _digest(salt: str, key: str) -> str:
    return hmac.new(bytes.fromhex(salt), key.encode(), hashlib.sha256).hexdigest()
