"""The landing contract: which columns a feed may have, of which type, and their tables.

Belongs here: names, types, natural keys and tables, in one place. Does not belong here: how a
company's columns become ours (``projection``), what a class or a retention is (the policy).
"""

from dataclasses import dataclass

from governance.limits import GREATEST_NOTICE
from governance.policy.words import ACTIONS, GIVERS, GRANTS, REQUEST_STATES, REQUEST_TYPES
from warehouse.sql import quoted

TIME, TEXT, WHOLE = "TIMESTAMP", "VARCHAR", "INTEGER"
MONEY, AMOUNT = "DECIMAL(18,2)", "DECIMAL(18,3)"


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes
    ----------
    description
        What it means, for people.
    choices
        The words that may stand in it, if only some may.
    word
        Whether it holds words of a vocabulary: capitals, blanks around and ``-`` make no
        difference.
    between
        The least and the greatest number that is possible.
    never_negative
        Whether the feed's ``negative_value`` decides about values below zero.
    default
        SQL over the other typed columns, for rows where it is null.
    vault
        Whether it is a direct identifier that goes to the vault instead of the landing table.
    absence_speaks
        Whether a row without it says something by that, such as every purpose or nothing of an
        age: an expression that had something to read and yields nothing is a fault then.
    absence_widens
        Whether a row that allows something allows more without it: where a row can lack the key
        altogether (JSON lines), that is a fault then; to hold nothing isn't.
    """

    name: str
    type: str
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    word: bool = False
    between: tuple[int, int] | None = None
    never_negative: bool = False
    default: str = ""
    vault: bool = False
    absence_speaks: bool = False
    absence_widens: bool = False


HAPPENED = "When it happened, in UTC"
PURPOSE = "Why data is processed (a purpose of the policy)"

# What landing knows of a row besides the feed's columns.
SUBJECT_KEY = Column("subject_key", "UUID", "Key of the subject inside the warehouse")
ROW_KEY = Column("row_key", "UBIGINT", "Hash of what identifies the row in its feed")
LOAD_ID = Column("load_id", "INTEGER", "The load that landed the row")
EVENT_DAY = Column("event_day", "DATE", "Day on which it happened, in the policy's time zone")
RECORDED_ON = Column(
    "recorded_on",
    "DATE",
    "Day on which the row was landed; the age of its attributes counts from it",
)


@dataclass(frozen=True)
class Contract:
    """One feed's columns, in the order of its landing table.

    Attributes
    ----------
    natural_key
        What identifies a row unless ``sources.yaml`` says otherwise; empty: all mapped columns.
    told_apart_by
        What has to be part of that key wherever it is mapped: without it, one word of a subject
        would take the place of another, which would be forgotten.
    time
        The column that says when the event happened, if there is one.
    arrival
        The column that says when an event became known, if the feed can say it.
    allows
        SQL over the typed columns: whether a row allows something. It counts at the earliest
        instant that its time may mean (a clock was put back, a day has no time), any other row at
        the latest. Empty: no row does, and a day without a time is its midnight.
    """

    name: str
    columns: tuple[Column, ...]
    natural_key: tuple[str, ...] = ()
    told_apart_by: tuple[str, ...] = ()
    time: str = ""
    arrival: str = ""
    allows: str = ""
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
    def table(self) -> tuple[Column, ...]:
        """The columns of the landing table: the feed's, and what landing knows of each row."""
        inner = list(self.landed)
        if self.name == "transactions":
            inner.insert(inner.index(self.column("occurred_at")) + 1, EVENT_DAY)
        last = [RECORDED_ON] if self.name == "customers" else []
        return (SUBJECT_KEY, *inner, ROW_KEY, LOAD_ID, *last)


CUSTOMER_ID = Column(
    "customer_id", TEXT, "The company's number of the customer", required=True, vault=True
)

CUSTOMERS = Contract(
    "customers",
    (
        CUSTOMER_ID,
        Column("full_name", TEXT, "Name", vault=True),
        Column("email", TEXT, "E-mail address", vault=True),
        Column("phone", TEXT, "Telephone number", vault=True),
        Column("postal_address", TEXT, "Postal address", vault=True),
        Column("jurisdiction", TEXT, "Where the subject lives, as far as the law cares"),
        Column("age_years", WHOLE, "Age in years", between=(0, 130), absence_speaks=True),
        Column("income_band", TEXT, "Income of the household, as the source bands it"),
        Column("marital_status", TEXT, "Marital status"),
        Column("home_ownership", TEXT, "Owns or rents the home"),
        Column("household_size", TEXT, "Number of persons in the household"),
        Column("household_composition", TEXT, "Adults and children in the household"),
        Column("kids_count", TEXT, "Number of children in the household"),
    ),
    natural_key=("customer_id",),
)

TRANSACTIONS = Contract(
    "transactions",
    (
        CUSTOMER_ID,
        Column("basket_id", TEXT, "The company's number of one visit to the till"),
        Column("product_id", TEXT, "What was bought"),
        Column("category", TEXT, "Department of what was bought"),
        Column("product_group", TEXT, "Kind of product that was bought"),
        Column("occurred_at", TIME, HAPPENED, required=True),
        Column("quantity", AMOUNT, "How many were bought", never_negative=True),
        Column("value", MONEY, "What was paid, in the feed's currency", required=True,
               never_negative=True),
        Column("discount", MONEY, "What was taken off the price, in the feed's currency",
               never_negative=True),
    ),
    time="occurred_at",
    required=True,
)  # fmt: skip

CONSENT_EVENTS = Contract(
    "consent_events",
    (
        CUSTOMER_ID,
        Column("action", TEXT, ", ".join(ACTIONS[:-1]) + f" or {ACTIONS[-1]}",
               required=True, choices=ACTIONS, word=True),
        Column("purpose", TEXT, PURPOSE, word=True, absence_speaks=True, absence_widens=True),
        Column("occurred_at", TIME, HAPPENED, required=True),
        Column("recorded_at", TIME, "When the event became known, in UTC", default="occurred_at",
               absence_speaks=True),
        Column("notice_version", WHOLE, "Version of the notice shown",
               between=(0, GREATEST_NOTICE), absence_speaks=True),
        Column("method", TEXT, "How the subject expressed it"),
        Column("channel", TEXT, "Where the subject expressed it"),
        Column("language", TEXT, "Language of the wording shown"),
        Column("wording_hash", TEXT, "Hash of the wording shown"),
        Column("evidence_ref", TEXT, "Where the company keeps the evidence"),
        Column("signal", TEXT, "Name of the raw signal, if one was received (gpc)", word=True),
        Column("given_by", TEXT, "Who said it: the subject (also where nothing is said of it) or a"
               " parent", choices=GIVERS, word=True),
    ),
    told_apart_by=("customer_id", "action", "purpose", "occurred_at", "signal", "given_by"),
    time="occurred_at",
    arrival="recorded_at",
    allows=f"action in ({', '.join(map(quoted, GRANTS))})",
    required=True,
)  # fmt: skip

RIGHTS_REQUESTS = Contract(
    "rights_requests",
    (
        CUSTOMER_ID,
        Column("request_id", TEXT, "The company's number of the request", required=True),
        Column("type", TEXT, "Which right is exercised", required=True, choices=REQUEST_TYPES,
               word=True),
        Column("received_at", TIME, "When the request was received, in UTC", required=True),
        Column("status", TEXT, "Whether it is open, or what became of it", choices=REQUEST_STATES,
               word=True, default="'open'"),
        Column("channel", TEXT, "Where the subject expressed it"),
    ),
    natural_key=("customer_id", "request_id", "type"),
    told_apart_by=("customer_id", "request_id", "type"),
    time="received_at",
)  # fmt: skip

CONTRACTS = {c.name: c for c in (CUSTOMERS, TRANSACTIONS, CONSENT_EVENTS, RIGHTS_REQUESTS)}
VAULT_COLUMNS = ("customer_id", *CUSTOMERS.identifiers)
