"""What a name means inside one select: tables in reach, their columns, aliases, windows.

Belongs here: looking up names. Does not belong here: walking expressions (``expression``) and
queries (``query``). DuckDB's names know no capitals; here they are in small letters.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from governance.lineage.graph import UNKNOWN, Form, Made, Ref, Use, combined


class UnreadableError(Exception):
    """SQL whose lineage can't be told; the message says which part."""


@dataclass(frozen=True)
class Result:
    """What a query returns: its columns in order, and what chose its rows."""

    columns: Mapping[str, Made]
    uses: tuple[Use, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table in reach of a select.

    Attributes
    ----------
    columns : mapping
        Its columns, as far as they are known.
    rest : Made, optional
        What any other column of it is made from (a function's result).
    unknown : str
        Its name, if nothing is known about it.
    in_star : bool
        Whether ``*`` returns its columns (not those of a semi-join).
    """

    alias: str
    columns: Mapping[str, Made]
    rest: Made | None = None
    unknown: str = ""
    in_star: bool = True

    def column(self, name: str) -> Made | None:
        """Return what a column is made from; None if the table has none of that name."""
        found = self.columns.get(name, self.rest)
        if found is None and self.unknown:
            return Made({Ref(self.unknown, name): Form.RAW}, copied=True)
        return found

    @property
    def everything(self) -> Made:
        """What all of its columns together are made from."""
        parts = [*self.columns.values(), *([self.rest] if self.rest else [])]
        if self.unknown:
            parts.append(Made({Ref(self.unknown, "*"): Form.RAW}))
        return combined(parts)


@dataclass
class Scope:
    """The names of one select; ``outer`` is the select around it."""

    query: Callable[[exp.Expr, "Scope"], Result]
    outer: "Scope | None" = None
    tables: list[Table] = field(default_factory=list)
    aliases: dict[str, Made] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)
    # Once the projections are read, an alias and a column of the same name may both be meant.
    late: bool = False

    def use(self, clause: str, made: Made) -> None:
        """Record columns that choose rows."""
        if made.refs:
            self.uses.append(Use(clause, frozenset(made.refs)))

    def column(self, parts: tuple[str, ...]) -> Made:
        """Return what a name is made from; a column of no table in reach counts as unknown.

        Parameters
        ----------
        parts : tuple of str
            The name, from the most general part: (table, column), (column, field), ...
        """
        found = self.known(parts)
        return found or Made({Ref(UNKNOWN, parts[-1]): Form.RAW}, copied=True)

    def known(self, parts: tuple[str, ...]) -> Made | None:
        """Return what a name is made from, or None if nothing of that name is in reach."""
        found = self._here(parts)
        if found is None and self.outer is not None:
            found = self.outer.known(parts)
        return found if found is not None else self._in_unknown(parts)

    def _here(self, parts: tuple[str, ...]) -> Made | None:
        if len(parts) > 1:
            qualified = self._qualified(parts)
            if qualified is not None:
                return qualified
        found = [t.columns[parts[0]] for t in self.tables if parts[0] in t.columns]
        if parts[0] in self.aliases and (self.late or not found):
            found.append(self.aliases[parts[0]])
        if not found:
            # DuckDB takes the name of a table for its whole row.
            found = [t.everything for t in self.tables if t.alias == parts[0]]
        return combined(found) if found else None

    def _qualified(self, parts: tuple[str, ...]) -> Made | None:
        for i in range(len(parts) - 1):
            for table in self.tables:
                if table.alias == parts[i]:
                    made = table.column(parts[i + 1])
                    return made or Made({Ref(UNKNOWN, parts[i + 1]): Form.RAW}, copied=True)
        return None

    def _in_unknown(self, parts: tuple[str, ...]) -> Made | None:
        open_tables = [t for t in self.tables if t.unknown or t.rest]
        found = [made for t in open_tables if (made := t.column(parts[0]))]
        return combined(found) if found else None


def renamed(columns: Mapping[str, Made], names: Iterable[str]) -> dict[str, Made]:
    """Return columns under new names, given in their order; the others keep theirs."""
    new = list(names)
    old = list(columns.items())
    kept = old[len(new) :]
    return {
        **dict(zip(new, (made for _, made in old), strict=False)),
        **dict(kept),
    }
