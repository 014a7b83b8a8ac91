"""Each right's sequence of commands on the page is run as it stands, and comes to what it says."""

import json
import re
import subprocess
import sys
from html import escape
from pathlib import Path

import jsonschema
import pytest

from governance import identity
from governance.policy.words import FEEDS, PERMISSION_ATTRIBUTES, WORD_FEEDS
from tests.support.pages import fences, slug
from warehouse.home import PROJECT

PAGE = (PROJECT / "docs" / "rights-on-the-demo.md").read_text(encoding="utf-8")
FIRST, *REST = PAGE.split("\n## ")
SECTIONS = {slug(section.splitlines()[0]): section for section in REST}
CUSTOMER, NUMBER = "CUSTOMER", "A-1234567890"


class Tour:
    """Who goes through the page: a copy of the demo, and a home folder of its own."""

    def __init__(self, one, home: Path):
        self.one, self.home = one, home
        commands = Path(sys.executable).parent
        self.environment = one.environment | {
            "HOME": str(home), "PATH": f"{commands}:/usr/bin:/bin",
        }  # fmt: skip

    def section(self, name: str) -> tuple[str, list[str]]:
        """Go through a section with a customer of its own; return it, and what each line said."""
        members = self.read("members.csv").replace('"', "").split()[1:]
        customer = members[list(SECTIONS).index(name)]
        return customer, self.play(SECTIONS[name], customer)

    def play(self, text: str, customer: str = "") -> list[str]:
        said, number = [], NUMBER
        for line in "".join(fences(text, "sh")).splitlines():
            if line.startswith(". "):  # the test runs in the environment already
                continue
            done = subprocess.run(
                ["/bin/bash", "-c", line.replace(CUSTOMER, customer).replace(NUMBER, number)],
                cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False,
                timeout=300,
            )  # fmt: skip
            assert done.returncode == (2 if "# refused" in line else 0), (line, done.stderr)
            if "rights open" in line:
                number = re.search(r"A-[0-9a-f]{10}", done.stdout)[0]
            said.append(done.stdout + done.stderr)
        return said

    def read(self, name: str) -> str:
        return (self.home / "tour" / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tour(demo, tmp_path_factory):
    home = tmp_path_factory.mktemp("tour")
    made = Tour(demo.copy(home / "state"), home)
    made.play(FIRST)
    return made


def test_a_withdrawal(tour):
    who, (_, shown, _, _, explained, notices, _) = tour.section("withdrawal-and-opt-out")
    assert re.search(r"segmentation +no +withdrew", shown)
    assert who in tour.read("members.csv")
    assert who not in tour.read("withdrawn.csv")
    assert "Not processed for segmentation: withdrawn" in explained
    assert re.search(r"store_planning +withdrawal.*waiting", notices)
    assert who not in tour.one.in_mart() | set(tour.one.members())
    assert who in tour.read("receipt.html")


@pytest.mark.parametrize("right", ["objection", "restriction"])
def test_what_holds_until_it_ends(tour, right):
    who, (_, _, before, _, _, after) = tour.section(right)
    assert "Not processed for segmentation: held" in before
    assert re.match(r"(Demo.*\n)?In '", after)
    assert who in tour.one.members()


def test_a_limit(tour):
    who, (*_, shown) = tour.section("limit")
    assert re.search(r"status +fulfilled", shown)
    assert who in tour.one.members()  # no purpose of the demo is sensitive


def test_access(tour):
    who, _ = tour.section("access")
    report = json.loads(tour.read("access.json"))
    assert report["customer_id"] == who
    assert "store_planning" in {handed["recipient"] for handed in report["handed_over"]}
    page = tour.read("access.html")
    assert who in page
    # Whatever bears no day by which it would leave is named, as held beyond the days of custody.
    beyond = report["custody"]["beyond"]
    assert beyond.keys() == {*WORD_FEEDS, "customer_id", *PERMISSION_ATTRIBUTES}
    landed = {t["table"].removeprefix("landing."): t["columns"] for t in report["tables"]}
    ageless = {f for f in landed.keys() & set(FEEDS) if "event_day" not in landed[f]}
    assert "consent_events" in ageless - {"customers"} <= beyond.keys()
    assert not [told for told in beyond.values() if f">{escape(told, quote=False)}<" not in page]
    assert "but for what is named below" in page


def test_portability(tour):
    who, _ = tour.section("portability")
    jsonschema.validate(
        json.loads(tour.read("portability.json")), json.loads(tour.read("portability.schema.json"))
    )
    assert who in tour.read("customers.csv")


def test_explanation(tour):
    who, _ = tour.section("explanation")
    assert who in tour.read("explanation.json")
    assert "Lapsed visitors" in tour.read("explanation.html")


def test_rectification(tour):
    who, _ = tour.section("rectification")
    with tour.one.entered(), identity.opened() as connection:
        held = connection.execute(
            "select email from vault.subjects join vault.identifiers using (subject_key)"
            " where customer_id = ?", [who],
        ).fetchall()  # fmt: skip
    assert held == [("new@example.org",)]
    assert who in tour.one.members()


def test_erasure(tour):
    who, (*_, checked, shown, unknown, _, _, _, admitted) = tour.section("erasure")
    (receipt,) = json.loads(tour.read("erased.json"))
    assert receipt["rows_found"]["vault"]["main.subjects"] == 1
    assert who not in json.dumps(receipt)
    assert "as signed here: 1" in checked
    assert "notice to store_planning: waiting" in shown
    assert "no subject has that customer id" in unknown
    told = [c for c in json.loads(tour.read("notice.json"))["changes"] if c["kind"] == "erasure"]
    assert [change["known_as"] for change in told] == [{"customer_id": who}]
    assert "admitted" in admitted
    assert who not in tour.one.in_mart()


def test_every_section_is_gone_through():
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in SECTIONS if f'"{name}"' not in here] == []
