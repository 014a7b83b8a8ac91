"""The landing contract: which columns a feed may have, of which type, and their tables.

Belongs here: names, types, natural keys and tables, in one place. Does not belong here: how a
company's columns become ours (``projection``), what a class or a retention is (the policy).
"""

from dataclasses import dataclass

from governance.limits import GREATEST_NOTICE

TIME, TEXT, WHOLE = "TIMESTAMP", "VARCHAR", "INTEGER"
MONEY, AMOUNT = "DECIMAL(18,2)", "DECIMAL(18,3)"

ACTIONS = ("granted", "withdrawn", "objected", "opted_out", "opted_in")
REQUEST_TYPES = (
    "access", "portability", "rectification", "erasure", "restriction", "objection", "limit",
    "explanation",
)  # fmt: skip
REQUEST_STATES = ("open", "fulfilled", "refused", "withdrawn")


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes
    ----------
    choices
        The words that may stand in it, if only some may.
    word
        Whether it holds words of a vocabulary: capitals, spaces around and ``-`` make no
        difference.
    between
        The least and the greatest number that is possible.
    never_negative
        Whether the feed's ``negative_value`` decides about values below zero.
    default
        SQL over the other typed columns, for rows where it is null.
    vault
        Whether it is a direct identifier that goes to the vault instead of the landing table.
    """

    name: str
    type: str
    required: bool = False
    choices: tuple[str, ...] = ()
    word: bool = False
    between: tuple[int, int] | None = None
    never_negative: bool = False
    default: str = ""
    vault: bool = False


@dataclass(frozen=True)
class Contract:
    """One feed's columns, in the order of its landing table.

    Attributes
    ----------
    natural_key
        What identifies a row unless ``sources.yaml`` says otherwise; empty: all mapped columns.
    time
        The column that says when the event happened, if there is one.
    arrival
        The column that says when an event became known, if the feed can say it.
    """

    name: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...] = ()
    time: str = ""
    arrival: str = ""
    required: bool = False

    def column(self, name: str) -> Column:
        """Return one column by its name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns that a feed may map."""
        return tuple(column.name for column in self.columns)

    @property
    def landed(self) -> tuple[Column, ...]:
        """The columns of the landing table that come from the feed, in order."""
        return tuple(c for c in self.columns if not c.vault)

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The direct identifiers besides the customer id."""
        return tuple(c.name for c in self.columns if c.vault and c.name != "customer_id")

    @property
    def table(self) -> tuple[tuple[str, str], ...]:
        """Name and type of each column of the landing table.

        Besides the feed's: ``event_day``, the day of a transaction in the policy's time zone;
        ``recorded_on``, the day on which a customer's row arrived, from which its age counts.
        """
        inner = [(c.name, c.type) for c in self.landed]
        if self.name == "transactions":
            after = [name for name, _ in inner].index("occurred_at") + 1
            inner.insert(after, ("event_day", "DATE"))
        last = [("recorded_on", "DATE")] if self.name == "customers" else []
        return (("subject_key", "UUID"), *inner, ("row_key", "UBIGINT"), ("load_id", "INTEGER"),
                *last)  # fmt: skip


CUSTOMER_ID = Column("customer_id", TEXT, required=True, vault=True)

CUSTOMERS = Contract(
    "customers",
    (
        CUSTOMER_ID,
        Column("full_name", TEXT, vault=True),
        Column("email", TEXT, vault=True),
        Column("phone", TEXT, vault=True),
        Column("postal_address", TEXT, vault=True),
        Column("jurisdiction", TEXT),
        Column("age_years", WHOLE, between=(0, 130)),
        Column("income_band", TEXT),
        Column("marital_status", TEXT),
        Column("home_ownership", TEXT),
        Column("household_size", TEXT),
        Column("household_composition", TEXT),
        Column("kids_count", TEXT),
    ),
    natural_key=("customer_id",),
)

TRANSACTIONS = Contract(
    "transactions",
    (
        CUSTOMER_ID,
        Column("basket_id", TEXT),
        Column("product_id", TEXT),
        Column("category", TEXT),
        Column("product_group", TEXT),
        Column("occurred_at", TIME, required=True),
        Column("quantity", AMOUNT, never_negative=True),
        Column("value", MONEY, required=True, never_negative=True),
        Column("discount", MONEY),
    ),
    time="occurred_at",
    required=True,
)

CONSENT_EVENTS = Contract(
    "consent_events",
    (
        CUSTOMER_ID,
        Column("action", TEXT, required=True, choices=ACTIONS, word=True),
        Column("purpose", TEXT, word=True),
        Column("occurred_at", TIME, required=True),
        Column("recorded_at", TIME, default="occurred_at"),
        Column("notice_version", WHOLE, between=(0, GREATEST_NOTICE)),
        Column("method", TEXT),
        Column("channel", TEXT),
        Column("language", TEXT),
        Column("wording_hash", TEXT),
        Column("evidence_ref", TEXT),
        Column("signal", TEXT, word=True),
    ),
    time="occurred_at",
    arrival="recorded_at",
    required=True,
)

RIGHTS_REQUESTS = Contract(
    "rights_requests",
    (
        CUSTOMER_ID,
        Column("request_id", TEXT, required=True),
        Column("type", TEXT, required=True, choices=REQUEST_TYPES, word=True),
        Column("received_at", TIME, required=True),
        Column("status", TEXT, choices=REQUEST_STATES, word=True, default="'open'"),
        Column("channel", TEXT),
    ),
    natural_key=("request_id",),
    time="received_at",
)

CONTRACTS = {c.name: c for c in (CUSTOMERS, TRANSACTIONS, CONSENT_EVENTS, RIGHTS_REQUESTS)}
VAULT_COLUMNS = ("customer_id", *CUSTOMERS.identifiers)
