"""What Jinja asks for that only a run decides: a gap, but for what is the same in every run."""

import pytest

from governance.lineage.build import build
from governance.lineage.jinja import asked
from tests.support.lineage import manifest

MACROS = {"kept"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ 'x' if target.name == 'warehouse' else kept('p', 'y') }}", ["target"]),
        ("{% set inc = is_incremental() %}{% if inc %}x{% endif %}", ["is_incremental"]),
        ("{% set live = target.name == 'w' %}{% if live %}x{% endif %}", ["target"]),
        ("{{ 'and exists (x)' if flags.WHICH == 'build' }}", ["flags"]),
        ("{{ 'x' if execute else 'y' }}", ["execute"]),
        ("{{ invocation_id }} {{ env_var('A') }} {{ run_started_at }}",
         ["env_var", "invocation_id", "run_started_at"]),
        ("{{ modules.datetime.date.today() }}", ["modules"]),
        ("{{ this.schema }}", ["this"]),
        ("{% set t = this %}{{ t.schema }}", ["this"]),
        ("{{ config.get('full_refresh') }}", ["config"]),
        ("{{ config(materialized='view' if target.name == 'x' else 'table') }}", ["target"]),
        ("{% if is_incremental() and kept() %}x{% endif %}", ["is_incremental"]),
        ("{% call statement('x') %}select 1{% endcall %}", ["statement"]),
        ("{% do adapter.get_columns_in_relation(ref('x')) %}", ["adapter"]),
        ("{{ dbt.is_incremental() }}", ["dbt"]),
        ("{{ var.has_var('x') }}", ["var"]),
        ("{% set f = ref %}{{ f('x') }}", ["ref"]),
        ("{% for target in [target] %}{{ target.name }}{% endfor %}", ["target"]),
        ("{% if kept() %}{% set target = 1 %}{% endif %}{{ target.name }}", ["target"]),
        ("{{ ['x', 'y'] | random }}", ["random"]),
        ("{{ [['x', 'y']] | map('random') }}", ["random"]),
        ("{{ set(['x', 'y']) | first }}", ["set"]),
        ("{% macro m(t=target) %}{{ t.name }}{% endmacro %}", ["target"]),
        ("{% call(x) m(flags) %}{{ x }}{% endcall %}", ["flags", "m"]),
        ("{% filter random %}xy{% endfilter %}", ["random"]),
        ("-- {{ run_query('x') }}", ["run_query"]),
        ("{{ nobodys() }}", ["nobodys"]),
        ("{% if %}", ["what can't be parsed"]),
    ],
)  # fmt: skip
def test_decided_by_the_run(text: str, words: list[str]) -> None:
    assert asked(text, MACROS, "assent") == words


@pytest.mark.parametrize(
    "text",
    [
        "select {{ kept('p', 'x') }} from {{ ref('t') }} where y > {{ var('days') }}",
        "{{ assent.kept('p', 'x') }}",
        "{% if is_incremental() %}where x > (select max(x) from {{ this }}){% else %}1{% endif %}",
        "{% if var('a') %}1{% elif is_incremental() %}2{% endif %}",
        "{% macro m(target, flags) %}{{ target }} {{ flags.x }} {{ caller() }}{% endmacro %}",
        "{% for p in var('p') if p.x %}{{ p.y }}{{ ',' if not loop.last }}{% endfor %}",
        "{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [1] %}{{ ns.a | join(', ') }}",
        "{{ config(materialized='table') }}{# target #}{{ 'target' }}",
    ],
)
def test_the_same_in_every_run(text: str) -> None:
    assert asked(text, MACROS, "assent") == []


LIVE = "{{ 'x' if target.name == 'warehouse' else 'y' }}"


@pytest.mark.parametrize(
    ("given", "where"),
    [
        (manifest({"m": "select 1 as x"}, raw={"m": f"select 1 as {LIVE}"}), "m"),
        (
            manifest(
                {"m": "select 1 as x"},
                hooks={"m": [f"delete from {{{{ this }}}} where {LIVE} > 1"]},
            ),
            "m",
        ),
        (manifest({"m": "select 1 as x"}, macros={"f": LIVE}), "dbt/f"),
    ],
)
def test_it_is_unread_in_model_hook_and_macro(given: dict[str, object], where: str) -> None:
    told = build(given).relations[where].unread
    assert [why for why in told if "its Jinja asks for target" in why]
