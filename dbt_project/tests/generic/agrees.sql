{# A statement that every row must make true. -#}
{% test agrees(model, expression) %}

select *
from {{ model }}
where not coalesce({{ expression }}, false)

{% endtest %}
