"""Sealing content that lies in files of its own: nobody reads it without the vault.

Belongs here: encrypting bytes, and the secret for what is no row of anybody: it lies in the vault,
and goes with that through backups and changes of keys. Does not belong here: what is sealed, proofs
under a secret of their own (``governance.rights.proofs``), exports (``governance.handover``).
"""

import os
from functools import lru_cache
from pathlib import Path

from governance import identity
from warehouse.catalogue import tables
from warehouse.connect import connected

NONCE_BYTES = 12
SECRET_BYTES = 32


def seal(content: bytes, place: str) -> bytes:
    """Return content as only who opens the vault can read it; the secret is drawn if need be.

    ``place`` is where it will lie, and has to lie to be read.
    """
    vault, _ = identity.stores()
    with connected(vault) as connection:
        connection.execute("create table if not exists vault.sealing (secret blob not null)")
        if not connection.execute("select secret from vault.sealing").fetchall():
            connection.execute("insert into vault.sealing values (?)", [os.urandom(SECRET_BYTES)])
    return encrypted(_secret(), content, place)


def unsealed(content: bytes, place: str = "") -> bytes:
    """Return what was sealed for a place; without one, what schema version 7 sealed.

    Raises
    ------
    ValueError
        If it isn't whole, another vault's, or was sealed for another place.
    """
    return decrypted(_secret(), content, place)


def require_own() -> None:
    """Refuse a vault that is missing, or isn't the one of what has landed.

    What another vault seals is lost once the state's own is back.
    """
    identity.require_known()


def encrypted(key: bytes, content: bytes, place: str = "") -> bytes:
    """Return content encrypted and authenticated with its place (AES-GCM), its nonce before it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, place.encode())


def decrypted(key: bytes, content: bytes, place: str = "") -> bytes:
    """Return what was encrypted.

    Raises
    ------
    ValueError
        If it wasn't by this key and for this place, or isn't whole.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):  # the latter if it is too short
        raise ValueError("it isn't whole, or sealed by another vault or for another file") from None


def _secret() -> bytes:
    vault, _ = identity.stores(read_only=True)
    written = vault.path.stat() if vault.path.exists() else None
    if written is None:
        raise ValueError("there is no vault")
    return _secret_in(vault.path, written.st_ino, written.st_mtime_ns)


@lru_cache(maxsize=1)  # a command reads several models, and the vault once
def _secret_in(_path: Path, _inode: int, _written: int) -> bytes:
    vault, _ = identity.stores(read_only=True)
    with connected(vault) as connection:
        if "sealing" not in tables(connection, "main"):
            raise ValueError("the vault has sealed nothing")
        secret: bytes = connection.execute("select secret from vault.sealing").fetchall()[0][0]
    return secret
