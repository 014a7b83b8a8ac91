{# The policy as SQL: each macro turns one variable that `governance.policy.dbt_vars` derives from
   policy.yaml into a relation or an expression. No rule is written here. #}

{% macro sql_text(value) -%}
'{{ value | string | replace("'", "''") }}'
{%- endmacro %}

{% macro policy_purposes() -%}
(values
{%- for p in var('purposes') %}
    ({{ sql_text(p.purpose) }}, {{ p.notice_version }}, {{ p.consent_valid_days }},
     {{ p.covers_earlier_data }}, {{ p.sale_or_share }}, {{ p.direct_marketing }},
     {{ p.sensitive }}){{ "," if not loop.last }}
{%- endfor %}
) as purposes(
    purpose, notice_version, consent_valid_days, covers_earlier_data, sale_or_share,
    direct_marketing, sensitive
)
{%- endmacro %}

{% macro policy_bases() -%}
(values
{%- for b in var('bases') %}
    ({{ sql_text(b.purpose) }}, {{ sql_text(b.regime) }}, {{ sql_text(b.basis) }}){{ "," if not loop.last }}
{%- endfor %}
) as bases(purpose, regime, basis)
{%- endmacro %}

{% macro policy_regimes() -%}
(values
{%- for r in var('regimes') %}
    ({{ sql_text(r.jurisdiction) }}, {{ sql_text(r.regime) }}, {{ r.age_of_consent }}){{ "," if not loop.last }}
{%- endfor %}
) as regimes(jurisdiction, regime, age_of_consent)
{%- endmacro %}

{# Of each regime what counts wherever one lives; the age of consent, unless the place has its own. #}
{% macro policy_regime_rules() -%}
(values
{%- for r in var('regime_rules') %}
    ({{ sql_text(r.regime) }}, {{ r.age_of_consent }}, {{ r.opt_in_below }},
     {{ r.opt_in_outlasts_signal }}){{ "," if not loop.last }}
{%- endfor %}
) as regime_rules(regime, age_of_consent, opt_in_below, opt_in_outlasts_signal)
{%- endmacro %}

{# The retention, in days, of the transactions behind one purpose's columns. #}
{% macro behaviour_retention_days(purpose) -%}
{%- for p in var('purposes') if p.purpose == purpose -%}{{ p.behaviour_retention_days }}{%- endfor -%}
{%- endmacro %}

{# The retention, in days, of one attribute for one purpose. #}
{% macro retention_days(purpose, attribute) -%}
{%- for p in var('purposes') if p.purpose == purpose -%}{{ p.retention[attribute] }}{%- endfor -%}
{%- endmacro %}

{% macro snapshots_kept(purpose) -%}
{%- for p in var('purposes') if p.purpose == purpose -%}{{ p.snapshots }}{%- endfor -%}
{%- endmacro %}

{# The purposes that may use some attribute of a transaction. #}
{% macro behaviour_purposes() -%}
(
{%- set ns = namespace(found=[]) -%}
{%- for p in var('purposes') if p.behaviour_retention_days is not none -%}
{%- set ns.found = ns.found + [sql_text(p.purpose)] -%}
{%- endfor -%}
{{ ns.found | join(", ") if ns.found else "null" }})
{%- endmacro %}

{# An attribute in its banded form: the label of the band, null outside all of them. #}
{% macro banded(purpose, attribute, expression) -%}
case
{#- A purpose that the policy lacks has no bands; its models are disabled, but parsed. #}
{%- for band in var('bands').get(purpose, {}).get(attribute, []) %}
    when {{ within_band(band, expression) }} then {{ sql_text(band.label) }}
{%- endfor %}
end
{%- endmacro %}

{% macro within_band(band, expression) -%}
{%- if 'values' in band -%}
{{ expression }} in ({% for v in band['values'] %}{{ sql_text(v) }}{{ ", " if not loop.last }}{% endfor %})
{%- elif band.at_least is none -%}
{{ expression }} < {{ band.below }}
{%- elif band.below is none -%}
{{ expression }} >= {{ band.at_least }}
{%- else -%}
{{ expression }} >= {{ band.at_least }} and {{ expression }} < {{ band.below }}
{%- endif -%}
{%- endmacro %}

{# Whether a text matches a pattern that reveals a special category; blanks around it, a no-break
   space among them, make no difference. #}
{% macro reveals_special(attribute, expression) -%}
(false
{%- for s in var('special_values') if s.attribute == attribute %}
    or trim(lower({{ expression }}), ' ' || chr(9) || chr(10) || chr(13) || chr(160))
        like {{ sql_text(s.pattern) }} escape '\'
{%- endfor %})
{%- endmacro %}

{# An attribute of a customer, or null once it is older than its retention for the purpose. #}
{% macro kept(purpose, attribute) -%}
case
    when customers.recorded_on > clocks.as_of - {{ retention_days(purpose, attribute) }}
        then customers.{{ attribute }}
end
{%- endmacro %}
