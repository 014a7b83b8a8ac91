{# A primary key of several columns: no combination twice, none of them null. #}
{% test unique_combination(model, columns) %}
select {{ columns | join(", ") }}
from {{ model }}
group by {{ columns | join(", ") }}
having count(*) > 1 {% for c in columns %} or {{ c }} is null {% endfor %}
{% endtest %}
