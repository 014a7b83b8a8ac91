{# A clock: no value of another relation's column lies beyond it. #}
{% test nothing_beyond(model, column_name, to, field) %}
select count(*) as beyond
from {{ to }}
where {{ field }} > (select max({{ column_name }}) from {{ model }})
having count(*) > 0
{% endtest %}
