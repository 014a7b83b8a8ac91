"""Receipts: what was done for a request, signed, without an identifier.

Belongs here: their shape, signing, keeping and checking one. Does not belong here: doing what they
attest.

Signed with Ed25519 (RFC 8032) by a key of the installation, over the JSON with sorted keys.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from governance.rights import kept
from warehouse import keys
from warehouse.errors import KeyMissingError
from warehouse.home import Home
from warehouse.journal import write_durably

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = "receipts"
Of = tuple[Any, str, str]  # which request: the handle of whose it is, its number, its type


def signed(content: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt with its signature; see :func:`all_signed`."""
    return all_signed([content])[0]


def all_signed(contents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return receipts, each with its signature and the public key that it is checked with.

    ``kept`` may not be open meanwhile.

    Raises
    ------
    KeyMissingError
        As :func:`require_key` does: what was begun may be finished with another key.
    """
    require_key()
    note_key()
    key = _private(keys.get(KEY))
    whole = [{**content, "public_key": _public(key)} for content in contents]
    return [{**one, "signature": _text(key.sign(_bytes(one)))} for one in whole]


def keep(connection: duckdb.DuckDBPyConnection, receipts: Mapping[Of, Mapping[str, Any]]) -> None:
    """Keep receipts of requests, in the place of earlier ones (``connection``: ``kept``)."""
    if not receipts:
        return
    connection.execute(
        "insert or replace into kept.receipts by name select unnest(?::uuid[]) as handle,"
        " unnest(?::varchar[]) as request_id, unnest(?::varchar[]) as type,"
        " unnest(?::varchar[]) as receipt",
        [
            *(list(column) for column in zip(*receipts, strict=True)),
            [json.dumps(content) for content in receipts.values()],
        ],
    )


def kept_of(
    connection: duckdb.DuckDBPyConnection, request_ids: Iterable[str]
) -> dict[Of, dict[str, Any]]:
    """Return the receipts that are kept of some requests' numbers."""
    rows = connection.execute(
        "select handle, request_id, type, receipt from kept.receipts"
        " where list_contains(?, request_id)",
        [list(request_ids)],
    ).fetchall()
    return {(handle, number, kind): json.loads(text) for handle, number, kind, text in rows}


def fitted_before(
    connection: duckdb.DuckDBPyConnection, handles: Iterable[Any]
) -> dict[tuple[Any, str], str]:
    """Return what receipts of some customers said of each model, whether it was fitted on them.

    Who was erased, has returned and is erased again has other keys than the model knew them by.
    """
    rows = connection.execute(
        "select handle, m->>'model', max(m->>'fitted_on_subject') from (select handle,"
        " unnest(json_extract(receipt, '$.models[*]')) as m from kept.receipts"
        " where list_contains(?, handle)) group by all",
        [list(handles)],
    ).fetchall()  # "yes" is more than "not known", and that than "no"
    return {(handle, model): said for handle, model, said in rows}


def owed_to(
    connection: duckdb.DuckDBPyConnection, request_ids: Sequence[str]
) -> dict[Of, dict[str, str]]:
    """Return who has to be told of erasures and rectifications, as a receipt says it."""
    rows = connection.execute(
        "select distinct handle, request_id, kind, recipient from kept.notices"
        " where list_contains(?, request_id) order by all",
        [list(request_ids)],
    ).fetchall()
    found: dict[Of, dict[str, str]] = {}
    for handle, request_id, kind, name in rows:
        told = "is to be told (GDPR Art. 19): `assent rights notify`"
        found.setdefault((handle, request_id, kind), {})[name] = told
    return found


def require_key() -> None:
    """Refuse to begin what ends with a receipt without the key that there are receipts of already.

    Raises
    ------
    KeyMissingError
        If it is gone, or another is supplied: nobody could tell the earlier ones to be genuine.
    """
    present, noted = public_keys(), Home.current().receipts
    if not noted.exists() or (before := noted.read_text("ascii")) in present:
        return
    known = former_public_keys()  # newer than the note, where that is from a backup
    if before not in known or not {*present} & {*known}:
        raise KeyMissingError(
            f"the key '{KEY}' isn't the one that receipts have been signed with ({noted})",
            f"supply that one; to change it, supply the new one beside it as {keys.NEW}"
            f"{KEY.upper()}, then `assent keys rotate {KEY}`",
        )


def note_key() -> None:
    """Note what is signed with now, so that a key that is lost is missed.

    ``kept`` gets it first, and the one that it replaces: whoever supplies keys may leave that out
    from now on.
    """
    public, noted = public_keys(), Home.current().receipts
    if not noted.exists() or noted.read_text("ascii") != public[0]:
        keep_keys()
        write_durably(noted, public[0].encode())


def keep_keys() -> None:
    """Keep what receipts are checked with now, before their key is changed."""
    public = public_keys()
    with kept.opened() as connection:
        for key in public:
            connection.execute("insert or ignore into kept.public_keys values (?)", [key])


def former_public_keys() -> list[str]:
    """Return what earlier receipts are checked with."""
    with kept.opened() as connection:
        rows = connection.execute("select public_key from kept.public_keys").fetchall()
    return [key for (key,) in rows]


def note_signed() -> None:
    """Note what the newest receipt was signed with, which the third schema version didn't."""
    noted = Home.current().receipts
    if noted.exists():
        return
    with kept.opened() as connection:
        rows = connection.execute(
            "select receipt->>'public_key' from kept.receipts"
            " where (receipt->>'signature') is not null"
            " order by coalesce(receipt->>'erased_at', receipt->>'rectified_at',"
            " receipt->>'answered_at') desc limit 1"
        ).fetchall()
    for (public,) in rows:
        write_durably(noted, public.encode())


def holds(receipt: dict[str, Any]) -> bool:
    """Tell whether a receipt is as it was signed, by a key that this installation has or had."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content = {name: value for name, value in receipt.items() if name != "signature"}
    try:
        said = receipt["public_key"]
        if said not in {*public_keys(), *former_public_keys()}:
            return False
        public = Ed25519PublicKey.from_public_bytes(_read(said))
        public.verify(_read(receipt["signature"]), _bytes(content))
    except (InvalidSignature, KeyError, TypeError, ValueError):
        return False
    return True


def public_keys() -> list[str]:
    """Return what receipts are checked with now: while the key is changed, by new and old."""
    return [_public(_private(key)) for key in keys.fitting(KEY)]


def _public(key: "Ed25519PrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return _text(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def _private(key: str) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(key.encode()).digest())


def _bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, default=str).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _read(text: str) -> bytes:
    """Return what a text stands for that :func:`_text` has written; any other is refused.

    Decoders pass over characters that are none of theirs, and bits beyond the end.
    """
    content = base64.b64decode(text, validate=True)
    if _text(content) != text:
        raise ValueError("it isn't written so")
    return content
