"""A search for known words in files of any kind, to show that personal data lies nowhere in clear.

Belongs here: which words the demo plants, how a file's bytes are opened up, and a search for
thousands of words at once. Does not belong here: a test.
"""

import base64
import gzip
import io
import json
import re
import sqlite3
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

PREFIX = 3
CHUNK = 1 << 24
EMBEDDED = re.compile(rb"base64,([A-Za-z0-9+/]+=*)")


class Search:
    """Finds any of many words (at least three bytes each) in bytes, also as JSON escapes them.

    Patterns are bytes that are no text; what is found of them is their name.
    """

    def __init__(self, words: Iterable[str], patterns: Mapping[str, bytes] | None = None) -> None:
        self.names = {pattern: name for name, pattern in (patterns or {}).items()}
        for word in words:
            self.names[word.encode()] = word
            self.names[json.dumps(word)[1:-1].encode()] = word
        self.longest = max(map(len, self.names))
        self.lengths: dict[bytes, set[int]] = defaultdict(set)
        self.begins = np.zeros(1 << 8 * PREFIX, bool)
        for word in self.names:
            self.lengths[word[:PREFIX]].add(len(word))
            self.begins[int.from_bytes(word[:PREFIX], "big")] = True

    def found(self, content: bytes) -> set[str]:
        """Return the words that are in some bytes."""
        found: set[str] = set()
        for start in range(0, len(content), CHUNK):
            found |= self._in_chunk(content[start : start + CHUNK + self.longest])
        return found

    def _in_chunk(self, chunk: bytes) -> set[str]:
        octets = np.frombuffer(chunk, np.uint8).astype(np.uint32)
        if len(octets) < PREFIX:
            return set()
        codes = (octets[:-2] << 16) | (octets[1:-1] << 8) | octets[2:]
        found = set()
        for place in np.flatnonzero(self.begins[codes]).tolist():
            for length in self.lengths[chunk[place : place + PREFIX]]:
                word = self.names.get(chunk[place : place + length])
                if word:
                    found.add(word)
        return found

    def in_files(self, *folders: Path, but: tuple[str, ...] = ()) -> dict[str, set[str]]:
        """Return which words are in which files below some folders; `but` names parts to skip."""
        hits = {}
        for path in files(*folders, but=but):
            found = set().union(*(self.found(content) for content in contents(path)))
            if found:
                hits[str(path)] = found
        return hits


def files(*folders: Path, but: tuple[str, ...] = ()) -> list[Path]:
    """Return every file below some folders."""
    return [
        path for folder in folders for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        and not set(path.relative_to(folder).parts) & set(but)
    ]  # fmt: skip


def contents(path: Path) -> Iterator[bytes]:
    """Return a file's bytes, and those of what is packed into it."""
    whole = path.read_bytes()
    yield whole
    yield from _unpacked(whole)
    if whole.startswith(b"SQLite format 3"):
        for value in _values(path):
            yield value
            yield from _unpacked(value)


def _unpacked(content: bytes) -> Iterator[bytes]:
    for embedded in EMBEDDED.findall(content):
        yield base64.b64decode(embedded[: len(embedded) // 4 * 4])  # a page may cut it short
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for name in packed.namelist():
                yield packed.read(name)
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    if content.startswith(b"\x78"):
        try:
            yield zlib.decompress(content)
        except zlib.error:
            return


def _values(path: Path) -> Iterator[bytes]:
    """Return every value of an SQLite file; in its bytes, a long one is broken up by pages."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        connection.text_factory = bytes
        tables = connection.execute("select name from sqlite_master where type = 'table'")
        for (table,) in tables.fetchall():
            for row in connection.execute(f'select * from "{table.decode()}"'):
                yield from (value for value in row if isinstance(value, bytes) and len(value) > 2)
    connection.close()


def demo_words() -> dict[str, set[str]]:
    """Return what identifies the demo's households, by kind."""
    from examples.journey.feeds import consent_events, customers

    people = customers()
    words = {
        name: {value for value in people[name].to_pylist() if value}
        for name in ("customer_id", "full_name", "email", "phone", "postal_address")
    }
    # Customers that exist in the consent feed only have ids as well.
    words["customer_id"] |= {
        value for value in consent_events()["customer_id"].to_pylist() if value
    }
    return words
