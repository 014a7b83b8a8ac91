"""The lineage graph: from a manifest, through hooks and branches, kept in a file."""

import json
from pathlib import Path

import pytest

from governance.lineage.build import build
from governance.lineage.cache import cached, fingerprint
from governance.lineage.graph import UNKNOWN, Form, Lineage, Ref
from governance.lineage.hidden import expanded, run_time_branches
from governance.lineage.landing import LANDING, SOURCES, Meaning
from ingest.contract import CONTRACTS
from tests.support import landing
from tests.support.lineage import Manifest, edited, manifest

SOURCE = {"landing.t": ("k", "x", "y")}
CHAIN = {
    # In an order in which no model finds what it reads done already.
    "mart_p": "select k as p_key, sum(v) as total, count(*) as n from m.int_p group by all",
    "int_p": "select k, x + y as v from m.stg_t where y > 1",
    "stg_t": "with source as (select * from landing.t) select * from source",
}
X, Y = Ref("landing.t", "x"), Ref("landing.t", "y")


@pytest.fixture
def chain() -> Lineage:
    return build(manifest(CHAIN), SOURCE)


def test_origins_through_models(chain: Lineage) -> None:
    assert chain.upstream("mart_p", "total") == {Ref("int_p", "v")}
    assert chain.downstream("landing.t", "x") == {Ref("stg_t", "x")}
    assert chain.origins("mart_p", "total") == {X, Y}
    assert chain.descendants([X]) == {
        X, Ref("stg_t", "x"), Ref("int_p", "v"), Ref("mart_p", "total"),
    }  # fmt: skip


def test_a_sum_far_up_is_an_aggregate_of_its_origins(chain: Lineage) -> None:
    assert chain.forms("mart_p", "total") == {X: Form.FIGURE, Y: Form.FIGURE}
    assert chain.forms("mart_p", "n") == {}  # of rows, not of any column
    assert set(chain.forms("int_p", "v").values()) == {Form.RAW}


def test_the_nearest_form_counts() -> None:
    models = CHAIN | {"mart_q": "select total, total + x as mixed from m.mart_p, m.stg_t"}
    lineage = build(manifest(models), SOURCE)
    assert lineage.forms("mart_q", "mixed") == {X: Form.RAW, Y: Form.FIGURE}


def test_uses_and_their_users(chain: Lineage) -> None:
    assert {ref for use in chain.uses("int_p") for ref in use.refs} == {Ref("stg_t", "y")}
    assert chain.used_by("stg_t", "y") == {"int_p"}
    assert chain.parents("mart_p") == {"int_p"}


def test_model_columns_are_plain_and_in_order(chain: Lineage) -> None:
    assert chain.model_columns("mart_p") == {
        "p_key": [("int_p", "k")], "total": [("int_p", "v")], "n": [],
    }  # fmt: skip


def test_python_assets_are_part_of_the_graph(chain: Lineage) -> None:
    more = chain.with_python("features", {"f": [("mart_p", "total")]}, purpose="p")
    assert more.origins("features", "f") == {X, Y}
    assert more.downstream("mart_p", "total") == {Ref("features", "f")}
    assert "features" not in chain.relations
    again = more.with_python("features", {"g": [("mart_p", "n")]}, purpose="p")
    assert again.model_columns("features") == {"g": [("mart_p", "n")]}


def test_json_and_back(chain: Lineage) -> None:
    more = chain.with_python("features", {"f": [("mart_p", "total")]}, purpose="p")
    assert Lineage.from_dict(json.loads(json.dumps(more.as_dict()))) == more
    assert more != chain


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"language": "python"}, "is a Python model"),
        ({"compiled_code": None}, "isn't compiled"),
        ({"compiled_code": "select * from read_parquet('f')"}, "aren't known"),
        ({"compiled_code": "select x from from"}, "can't be parsed"),
    ],
)
def test_what_cannot_be_read_leads_to_an_unknown_origin(
    changes: dict[str, str | None], why: str
) -> None:
    broken = manifest(CHAIN)
    broken["nodes"]["model.assent.int_p"] |= changes
    lineage = build(broken, SOURCE)
    assert why in lineage.relations["int_p"].unread[0]
    assert lineage.origins("mart_p", "total") == {Ref("int_p", "v")}


def test_a_source_of_another_name_is_found_by_its_place() -> None:
    first = manifest({"stg_t": "select x from raw.t_2024"})
    first["sources"]["source.assent.landing.t"] = {
        "source_name": "landing", "name": "t", "schema": "raw", "identifier": "t_2024",
    }  # fmt: skip
    assert build(first, SOURCE).origins("stg_t", "x") == {X}


def test_a_column_that_nobody_has_is_unknown(chain: Lineage) -> None:
    other = edited(manifest(CHAIN), "mart_p", ("count(*)", "max(email)"))
    assert build(other, SOURCE).origins("mart_p", "n") == {Ref(UNKNOWN, "email")}


HOOK = "{{ prune('p') }}"
MACROS = {
    "prune": "{% macro prune(p) %}delete from {{ this }} where k in {{ old() }}{% endmacro %}",
    "old": "{% macro old() %}(select k from {{ ref('stg_t') }} where y > 2){% endmacro %}",
    "mine": "{% macro mine(this) %}delete from {{ this }}{% endmacro %}",
    "echo": "{% macro echo(text) %}{{ text }}{% endmacro %}",
    "ending": "{% macro ending() %}; delete from m.int_p{% endmacro %}",
    "choosing": "{% macro choosing() %}{{ prune(1) if var('x') else mine(2) }}{% endmacro %}",
    "ending_else": "{% macro ending_else() %}{{ prune(1) if var('x') }}"
    "{% if not var('x') %}delete from {{ ref('int_p') }}{% endif %}{% endmacro %}",
    "wiping": "{% macro wiping(r) %}{% do return('delete from ' ~ r) %}{% endmacro %}",
    "said": "{% macro said() %}{{ 'delete from m.int_p' }}{% endmacro %}",
}


class TestHidden:
    """What compiled SQL doesn't show."""

    def uses(self, given: Manifest, model: str = "mart_p") -> set[Ref]:
        return {ref for use in build(given, SOURCE).uses(model) for ref in use.refs}

    def test_a_hook_is_a_use_through_its_macros(self) -> None:
        given = manifest(CHAIN, hooks={"mart_p": [HOOK]}, macros=MACROS)
        assert Ref("stg_t", "y") in self.uses(given)
        assert not build(given, SOURCE).relations["mart_p"].unread

    @pytest.mark.parametrize(
        "hook",
        [
            "update {{ this }} set total = 1",
            "delete from {{ this }}; insert into {{ this }} select * from x",
            "delete from {{ this }}; delete from {{ ref('int_p') }}",
            "delete from {{ this }}_old",
            "{% set this = ref('int_p') %}delete from {{ this }}",
            "{% for this in [ref('int_p')] %}delete from {{ this }};{% endfor %}",
            "{{ mine(ref('int_p')) }}",
            "delete from {{ this }} where true {{ '; delete from m.int_p' }}",
            "delete from {{ this }} where true {{ echo('; delete from m.int_p') }}",
            "{% set more = '\\x3b delete from m.int_p' %}delete from {{ this }} where {{ more }}",
            "{{ prune('p') | replace('mart_p', 'int_p') }}",
            "select '{% raw %}{#{% endraw %}'; drop table m.int_p; -- {% raw %}#}{% endraw %}",
            "select 1 -- {{ '{%' }}\n; drop table m.int_p -- {{ '%}' }}",
            "select '{{ '{#' }}'; drop table m.int_p; -- {{ '#}' }}",
            "{% if is_incremental() %}select 1{% else %}delete from m.int_p{% endif %}",
            "{% if is_incremental() %}select{% endif %} delete from m.int_p",
            "select 1 {% if 0 %}/*{% endif %}; delete from m.int_p {% if 0 %}*/{% endif %}",
            "{% call mine(1) %}{% endcall %}",
            "delete from {{ this }} {{ (ending()) }}",
            "{{ said() }}",
            "{% set more %}or true{% endset %}delete from {{ this }} where k > 1 {{ more }}",
            "{% filter replace('select', 'drop') %}select{% endfilter %}",
            "select {{ '!'.strip() }}",
            "delete from the_model_itself",
            "{{ wiping(ref('int_p')) }}",
            "{{ choosing() }}",
            "{{ ending_else() }}",
            "{% if var('x') %}select 1{% else %}{{ echo('delete from m.int_p') }}{% endif %}",
            "{% if is_incremental() %}select 1{% endif %}{{ echo('delete from m.int_p') }}",
            "{{ this ",
            'delete from "w"."marts"."mart_p"',
            "{{ prune('p') }}; set variable v = 1",
            "-- delete\nupdate {{ this }} set n = 1",
            "delete from {{ this }} where k in (select #2 from landing.t)",
            "delete from {{ this }} where k <> '--'; insert into {{ this }} select * from x",
            "delete from {{ this }} where k <> '/*'; update {{ this }} set n = 1 -- */",
            "delete from {{ this }} where k = '",
            "delete from {{ this }} where {{ 'x > 1' if flags.WHICH == 'build' else 'k > 1' }}",
        ],
    )
    def test_a_hook_that_writes_cannot_be_judged(self, hook: str) -> None:
        given = manifest(CHAIN, hooks={"mart_p": [hook]}, macros=MACROS)
        assert build(given, SOURCE).relations["mart_p"].unread

    @pytest.mark.parametrize(
        "text",
        [
            "delete from {{ this }} where '--' = '--' and y > 1",
            "delete from {{ this }} {% if var('x') %}where y > 1{% endif %}",
            "{% set c = 'y > 1' %}delete from {{ this }} where {{ c }}",
        ],
    )
    def test_a_word_counts_wherever_it_stands(self, text: str) -> None:
        given = manifest(CHAIN, hooks={"mart_p": [text]}, needs={"mart_p": ["stg_t"]})
        assert Ref("stg_t", "y") in self.uses(given)

    @pytest.mark.parametrize(
        ("macro", "hook", "used"),
        [
            ("{% macro f(x) %}delete from {{ this }} where k = {{ x }}{% endmacro %}",
             "{{ f(1) }}", False),
            ("{% macro f(x) %}delete from {{ this }} where x = {{ x }}{% endmacro %}",
             "{{ f(1) }}", True),
            ("{% macro f(x) %}delete from {{ this }} where {{ var('x') }} = 1{% endmacro %}",
             "{{ f(1) }}", True),
            ("{% macro f(x) %}delete from {{ this }} where {{ dict(x=1) | first }} = 1"
             "{% endmacro %}", "{{ f(1) }}", True),
            ("{% macro f(y) %}delete from {{ this }} where {{ y }} = 1{% endmacro %}",
             "{{ f('x') }}", True),
            ("{% macro f(y='x') %}delete from {{ this }} where {{ y }} = 1{% endmacro %}",
             "{{ f() }}", True),
        ],
    )  # fmt: skip
    def test_a_parameter_is_no_column_and_an_argument_may_be(
        self, macro: str, hook: str, used: bool
    ) -> None:
        given = manifest(
            CHAIN, hooks={"mart_p": [hook]}, macros={"f": macro}, needs={"mart_p": ["stg_t"]}
        )
        assert (Ref("stg_t", "x") in self.uses(given)) is used
        assert not build(given, SOURCE).relations["mart_p"].unread

    def test_a_table_named_in_full_counts(self) -> None:
        hook = 'delete from {{ this }} where k in (select k from "w"."landing"."t" where x > 1)'
        assert X in self.uses(manifest(CHAIN, hooks={"mart_p": [hook]}))

    def test_branches_of_some_runs_are_uses(self) -> None:
        raw = "select k from m.stg_t {% if is_incremental() %} where x > 1 {% endif %}"
        given = manifest(CHAIN, raw={"mart_p": raw}, needs={"mart_p": ["stg_t"]})
        assert Ref("stg_t", "x") in self.uses(given)

    def test_a_branch_of_some_runs_names_no_column_by_its_place(self) -> None:
        raw = "select k from m.stg_t {% if is_incremental() %} where #2 > 1 {% endif %}"
        given = manifest(CHAIN, raw={"mart_p": raw}, needs={"mart_p": ["stg_t"]})
        assert "by their place" in build(given, SOURCE).relations["mart_p"].unread[0]

    def test_branches_that_compile_the_same_are_left_to_the_compiler(self) -> None:
        raw = "select k from m.stg_t {% if with_x %} where x > 1 {% endif %}"
        given = manifest(CHAIN, raw={"mart_p": raw}, needs={"mart_p": ["stg_t"]})
        assert Ref("stg_t", "x") not in self.uses(given)

    def test_nested_branches_have_their_own_ends(self) -> None:
        text = "{% if a %}1{% if is_incremental() %}2{% else %}3{% endif %}4{% endif %}5"
        assert list(run_time_branches(text)) == ["2{% else %}3"]
        outer = "{% if a %}1{% elif is_incremental() %}2{% endif %}3"
        assert list(run_time_branches(outer)) == ["1{% elif is_incremental() %}2"]

    def test_sql_written_from_data_cannot_be_judged(self) -> None:
        raw = "select {{ run_query('select max(x) from landing.t').columns[0] }} as total"
        assert build(manifest(CHAIN, raw={"mart_p": raw}), SOURCE).relations["mart_p"].unread

    def test_a_header_counts_as_a_hook(self) -> None:
        given = manifest(CHAIN)
        header = "create temp macro f() as (select max(x) from landing.t)"
        given["nodes"]["model.assent.mart_p"]["config"]["sql_header"] = header
        assert build(given, SOURCE).relations["mart_p"].unread
        assert X in self.uses(given)

    def test_macros_that_call_each_other_have_an_end(self) -> None:
        assert "{{ b() }}" in expanded("{{ a() }}", {"a": "{{ b() }}", "b": "{{ b() }}"})

    def test_operations_of_the_project_are_read(self) -> None:
        given = manifest(CHAIN)
        given["nodes"]["operation.assent.on-run-end-0"] = {
            "name": "assent-on-run-end-0", "resource_type": "operation", "package_name": "assent",
            "raw_code": "create table m.copy as select x from landing.t", "depends_on": {},
        }  # fmt: skip
        operation = build(given, SOURCE).relations["assent-on-run-end-0"]
        assert operation.unread
        assert {ref for use in operation.uses for ref in use.refs} == {X}


class TestCache:
    """The graph is read out of SQL again exactly when something has changed."""

    def test_kept_and_used_again(self, tmp_path: Path, chain: Lineage) -> None:
        path, made = tmp_path / "lineage.json", []

        def make() -> Lineage:
            made.append(1)
            return chain

        assert cached(path, "a", make) == cached(path, "a", make) == chain
        assert len(made) == 1
        cached(path, "b", make)
        assert len(made) == 2

    @pytest.mark.parametrize("left", ["", "{", "[]", '{"key": "other"}'])
    def test_what_is_left_of_it_is_no_obstacle(
        self, tmp_path: Path, chain: Lineage, left: str
    ) -> None:
        path = tmp_path / "lineage.json"
        path.write_text(left)
        assert cached(path, "a", lambda: chain) == chain

    def test_the_key_covers_all_that_is_read(self) -> None:
        first = manifest(CHAIN, macros={"m": "1"}, hooks={"int_p": ["delete from x"]})
        renamed = manifest(CHAIN, macros={"m": "1"}, hooks={"int_p": ["delete from x"]})
        renamed["nodes"]["model.assent.int_p"]["alias"] = "other"
        keys = {
            fingerprint(first, SOURCE),
            fingerprint(edited(first, "int_p", ("y > 1", "y > 2")), SOURCE),
            fingerprint(manifest(CHAIN, macros={"m": "2"}), SOURCE),
            fingerprint(manifest(CHAIN, macros={"m": "1"}), SOURCE),
            fingerprint(first, {"landing.t": ("k", "x")}),
            fingerprint(renamed, SOURCE),
        }
        assert len(keys) == 6
        assert fingerprint(edited(first, "int_p"), SOURCE) == fingerprint(first, SOURCE)


@pytest.mark.parametrize("feed", CONTRACTS)
def test_every_landed_column_has_a_meaning(feed: str) -> None:
    landed = {column.name for column in CONTRACTS[feed].table}
    assert landed <= set(LANDING[f"landing.{feed}"])


@pytest.mark.parametrize("table", landing.TABLES)
def test_every_column_that_dbt_may_read_has_a_meaning(table: str) -> None:
    columns = {part.split()[0] for part in landing.TABLES[table].split(", ") if " " in part}
    assert columns <= set(SOURCES[f"landing.{table}"])


def test_no_direct_identifier_lands() -> None:
    vault = {c.name for contract in CONTRACTS.values() for c in contract.columns if c.vault}
    attributes = {m for c in LANDING.values() for m in c.values() if not isinstance(m, Meaning)}
    assert vault
    assert not vault & attributes
