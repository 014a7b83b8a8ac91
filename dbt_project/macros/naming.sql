{# Schemas are named after layers, without a prefix: asset = table = file. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ (custom_schema_name or 'main') | trim }}
{%- endmacro %}
