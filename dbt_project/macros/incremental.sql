{# Rebuilding by event day: landing records which days each load touched. #}

{# Which days must be built again, and the newest load that is then accounted for. #}
{% macro days_to_rebuild() -%}
(
    select event_day from {{ ref('stg_landing__changed_days') }}
    where load_id > (select coalesce(max(built_through_load), -1) from {{ this }})
)
{%- endmacro %}

{# A short hash of the special values that a build leaves out: where the policy names others, every
   row has to be built again. #}
{% macro special_values_version() -%}
{{ sql_text(local_md5(tojson(var('special_values')))[:8]) }}
{%- endmacro %}

{# Before an incremental build: drop what it will build again and whoever has left. #}
{% macro drop_stale_rows(permitted) -%}
{% if is_incremental() %}
delete from {{ this }}
where event_day in {{ days_to_rebuild() }}
    or subject_key not in (select subject_key from {{ permitted }})
    or special_values_version <> {{ special_values_version() }}
{% endif %}
{%- endmacro %}

{# The rows an incremental build reads: changed days, and the whole past of whoever is new. #}
{% macro only_stale_rows() -%}
{% if is_incremental() %}
and (
    event_day in {{ days_to_rebuild() }}
    or subject_key not in (select subject_key from {{ this }})
)
{% endif %}
{%- endmacro %}

{# Before a mart takes a new snapshot: drop the one it replaces. #}
{% macro drop_snapshot() -%}
{% if is_incremental() %}
delete from {{ this }} where as_of in (select as_of from {{ ref('stg_landing__clocks') }})
{% endif %}
{%- endmacro %}

{# After a mart took a snapshot: drop those beyond the number kept, and, from every snapshot,
   whoever has no basis now. What is left of older snapshots ages with every day: a row goes once
   the oldest data behind it is past its retention, or isn't covered by the present consent. No
   snapshot stays of a day beyond the newest of the feeds, which goes back where its rows go: such a
   day can't be asked for, and nothing would ever drop it.

   oldest: the day of that data, an expression over the mart's columns; only for a mart of nothing
   but transactions. Without it nobody can tell, and older snapshots go as a whole. #}
{% macro prune_snapshots(purpose, oldest=none) -%}
{% set today = clock('as_of') -%}
{% set newest = clock('newest_day') -%}
delete from {{ this }}
where as_of > {{ newest }}
    or (
        as_of not in (
            select distinct as_of from {{ this }}
            where as_of <= {{ newest }}
            order by as_of desc limit {{ snapshots_kept(purpose) }}
        )
        -- A past day stays while its run lasts, and the next run drops it.
        and as_of not in (select as_of from {{ ref('stg_landing__clocks') }})
    )
    or {{ purpose }}_key not in (
        select purpose_key from {{ ref('int_consent_permitted') }}
        where purpose = '{{ purpose }}' and permitted_now
    )
    or (
        as_of < {{ today }}
        {%- if oldest %}
        and (
            coalesce({{ oldest }} <= {{ today }} - {{ behaviour_retention_days(purpose) }}, true)
            or exists (
                select 1 from {{ ref('int_consent_permitted') }}
                where purpose = '{{ purpose }}' and purpose_key = {{ purpose }}_key
                    and consented_on >= {{ oldest }}
            )
        )
        {%- endif %}
    )
{%- endmacro %}
