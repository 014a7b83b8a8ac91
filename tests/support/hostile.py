"""Malformed feeds and requests, generated from a seed; every value holds a canary.

Belongs here: what hostile values look like, and files and arguments made of them. Does not belong
here: giving them to Assent, a test.
"""

import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.contract import CONTRACTS

CANARY = "zq7xk"  # what no output and no file in clear may hold
GIANT, DEEP = 1 << 17, 2000
FORMATS = ("csv", "jsonl", "parquet")
PLAUSIBLE = {
    "occurred_at": ("2024-05-01 10:00:00", "2024-05-02"),
    "recorded_at": ("2024-05-03 10:00:00",),
    "received_at": ("2024-05-01 10:00:00",),
    "value": ("9.99", "0"),
    "quantity": ("1", "2"),
    "discount": ("0", "1.5"),
    "age_years": ("7", "41"),
    "notice_version": ("1", "2"),
    "purpose": ("segmentation",),
    "action": ("granted", "withdrawn", "objected"),
    "type": ("erasure", "access", "restriction"),
    "status": ("open", "refused", "lifted"),
    "jurisdiction": ("DE", "US-CA"),
}
FORGED = (
    "2024-02-30", "0000-00-00", "9999-99-99 99:99:99", "-infinity", "infinity", "294247-01-10",
    "2024-05-01T10:00:00+99:99", "1e308", "-1e308", "nan", "NaN", "inf", "1e400", "0x7f", "1_000",
    "99999999999999999999999999", "-0", "true", "null", "NULL", "", " ", "\x00", "\x00\x00", "\\N",
    "\u202e", "\ufeff", "\u2028", "\x1b[31m", "\r", "\n", "\r\n", '"', '""', "'", ",", ";", "\t",
    "\U0010ffff", "\ud7ff", "İ", "ﬀ", "\uff11\uff12", "\u0663", "1900-01-01", "1899-12-31",
    "2100-01-01",
)  # fmt: skip


def texts(marker: Path) -> tuple[str, ...]:
    """Return texts that do harm where they are taken for code; each would touch the marker."""
    return (
        "'; drop table landing.canary; --", '"; drop schema landing cascade; --',
        "') union select * from vault.subjects --", "$$; checkpoint; $$", "'||(select 1)||'",
        f"'; copy (select 1) to '{marker}'; --", f"attach '{marker}' as x", f"$(touch {marker})",
        f"`touch {marker}`", f"; touch {marker}", f"| tee {marker}", f"=cmd|'/c touch {marker}'!A0",
        f"{{{{ run_query('copy (select 1) to \\'{marker}\\'') }}}}", "{{ env_var('HOME') }}",
        "${jndi:ldap://x}", "%s%s%n", "{0.__class__}", "../../../../etc/passwd", "/dev/zero",
        "file:///etc/passwd", "http://127.0.0.1:9/x", "*", "**", "[a-z]", "~root", "<script>",
        f"!!python/object/apply:os.system ['touch {marker}']",
        f"__import__('os').mknod('{marker}')",
    )  # fmt: skip


@dataclass
class File:
    """A file of a feed: its name, and how many rows it surely holds, if that is sure."""

    name: str
    rows: int | None


@dataclass
class Generator:
    """Makes malformed files and values; equal seeds make equal ones."""

    random: Random
    marker: Path
    made: int = 0
    _texts: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._texts = texts(self.marker)

    def text(self, *, seen: bool = False) -> str:
        """Return a hostile text with a canary; where `seen`, one that arguments can hold.

        They hold no NUL, and bytes that are no UTF-8 as the surrogates that Python makes of them.
        """
        pick = self.random.random()
        self.made += 1
        canary = f"{CANARY}{self.made}"
        if pick < 0.4:
            text = self.random.choice(self._texts)
        elif pick < 0.75:
            text = self.random.choice(FORGED)
        elif pick < 0.8:
            text = "y" * self.random.choice([401, 4001, GIANT])
        else:
            characters = [self.random.randrange(1, 0x2FFF) for _ in range(6)]
            text = "".join(map(chr, characters))
        text = self.random.choice([f"{canary}{text}", f"{text}{canary}"])
        if not seen:
            return text
        return (
            text.encode(errors="surrogatepass").decode(errors="surrogateescape").replace("\x00", "")
        )

    def value(self, column: str) -> str | None:
        """Return a value of a column in text: mostly one that it may have."""
        pick = self.random.random()
        if pick < 0.75:
            plausible = PLAUSIBLE.get(column, ("ann", "bob", "p1", f"{CANARY}-{column}"))
            return self.random.choice(plausible)
        if pick < 0.85:
            return self.random.choice([*FORGED, None])
        return self.text()

    def file(self, folder: Path, feed: str, form: str, number: int) -> File:
        """Write one malformed file of a feed."""
        columns = list(CONTRACTS[feed].names)
        rows = [{c: self.value(c) for c in columns} for _ in range(self.random.randrange(4))]
        odd = self.random.choice(["", "", " '; drop table x; --", "[1]", " \U0001f600", "{{x}}"])
        name = f"{feed}-{number}{odd}.{form}"
        content, count = {"csv": self._csv, "jsonl": self._jsonl, "parquet": self._parquet}[form](
            columns, rows
        )
        if form != "parquet" and self.random.random() < 0.1:
            content, name = gzip.compress(content), f"{name}.gz"
        if self.random.random() < 0.12:
            content, count = self._broken(content), None
        (folder / name).write_bytes(content)
        return File(name, count)

    def _broken(self, content: bytes) -> bytes:
        place = self.random.randrange(len(content) + 1)
        return self.random.choice([
            content[:place], content[place:], b"", b"\x00" * 64, self.random.randbytes(200),
            content[:place] + self.random.randbytes(3) + content[place:],
            content[:place] + b"\x00" + content[place:], b"\xef\xbb\xbf" + content,
            content + b"\xff\xfe", content.replace(b"\n", b"\r", 1), content + b'"',
        ])  # fmt: skip

    def _csv(
        self, columns: list[str], rows: Sequence[dict[str, str | None]]
    ) -> tuple[bytes, int | None]:
        # A field in quotes may hold anything but a NUL, which no reader of CSV keeps apart.
        lines = [",".join(columns)]
        for row in rows:
            values = (row[c] for c in columns)
            lines.append(",".join("" if v is None else f'"{v.replace(chr(34), chr(34) * 2)}"'
                                  for v in values))  # fmt: skip
        sure: int | None = len(rows)
        if self.random.random() < 0.2:
            sure = None
            place = self.random.randrange(len(lines))
            lines[place] = self.random.choice([
                lines[place] + ",more", lines[place].rpartition(",")[0], lines[0], self.text(),
                lines[place].replace("customer_id", "basket_id", 1), lines[place] + '"',
            ])  # fmt: skip
        if any("\x00" in line for line in lines):
            sure = None
        return ("\n".join(lines) + "\n").encode(errors="surrogatepass"), sure

    def _jsonl(
        self, columns: list[str], rows: Sequence[dict[str, str | None]]
    ) -> tuple[bytes, int | None]:
        lines = []
        for row in rows:
            row = {c: self._typed(v) for c, v in row.items()}
            line = json.dumps(row, ensure_ascii=self.random.random() < 0.5, default=str)
            if self.random.random() < 0.1:  # one key twice
                line = f'{{"customer_id": "{CANARY}-twice", {line[1:]}'
            lines.append(line)
        sure: int | None = len(rows)
        if self.random.random() < 0.2:
            sure = None
            lines.append(self.random.choice([
                "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "[1]", "{", "null",
                "{}",
                '"' + self.text().replace('"', "") + '"', '{"customer_id": "\\ud800"}', "NaN",
                '{"customer_id": 1e999}', '{"customer_id": "\\u0000"}', '{"\\u0000": 1}',
            ]))  # fmt: skip
        return ("\n".join(lines) + "\n").encode(errors="surrogatepass"), sure

    def _typed(self, value: str | None) -> Any:
        """Return what JSON may hold in place of a text."""
        if self.random.random() < 0.9:
            return value
        return self.random.choice([
            1, -1, 2**63, 2**70, 1.5, 1e308, True, False, None, [], {}, [value], {"a": value},
            [[[[value]]]], {CANARY: {"b": [value]}}, "\ud800",
        ])  # fmt: skip

    def _parquet(
        self, columns: list[str], rows: Sequence[dict[str, str | None]]
    ) -> tuple[bytes, int | None]:
        arrays = [
            pa.array([row[c] and row[c].encode(errors="replace").decode() for row in rows],
                     pa.string())
            if self.random.random() < 0.85 else self._odd(len(rows))
            for c in columns
        ]  # fmt: skip
        names = list(columns)
        if self.random.random() < 0.1:
            names[self.random.randrange(len(names))] = self.random.choice(
                ["", "x", "file_row_number"]
            )
        out = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, names=names), out)
        return out.getvalue(), len(rows)

    def _odd(self, rows: int) -> pa.Array:
        """Return a column of a type that nobody expects there."""
        kind, values = self.random.choice([
            (pa.int64(), [2**62, -1, None]), (pa.uint64(), [2**64 - 1, 0]), (pa.bool_(), [True]),
            (pa.float64(), [float("nan"), float("inf"), -0.0, 1e308, 1.5]), (pa.null(), [None]),
            (pa.float16(), [1.0]), (pa.decimal128(38, 10), [Decimal("-1.5"), Decimal(10**27)]),
            (pa.decimal256(76, 2), [Decimal(10**60)]), (pa.date32(), [date(1, 1, 1)]),
            (pa.date64(), [date(9999, 12, 31)]), (pa.time64("us"), [time(1, 2)]),
            (pa.duration("us"), [timedelta(1)]), (pa.binary(), [b"\xff\x00" + CANARY.encode()]),
            (pa.timestamp("ns"), [datetime(2024, 5, 1)]), (pa.large_string(), [f"{CANARY}-large"]),
            (pa.timestamp("us", "Europe/Berlin"), [datetime(2024, 5, 1), datetime(1, 1, 1)]),
            (pa.timestamp("s"), [datetime(2024, 5, 1), datetime(9999, 1, 1)]),
            (pa.list_(pa.string()), [[CANARY], []]),
            (pa.struct([("a", pa.string())]), [{"a": CANARY}]),
            (pa.map_(pa.string(), pa.string()), [{CANARY: CANARY}]),
            (pa.dictionary(pa.int8(), pa.string()), [CANARY]),
        ])  # fmt: skip
        return pa.array([self.random.choice(values) for _ in range(rows)], kind)
