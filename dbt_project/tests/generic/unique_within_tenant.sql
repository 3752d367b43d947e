{# The key of a tenant's rows, which customer_id leads: unique and complete. -#}
{% test unique_within_tenant(model, columns) %}

select
    customer_id,
    {{ columns | join(', ') }}
from {{ model }}
group by customer_id, {{ columns | join(', ') }}
having count(*) > 1 or customer_id is null

{% endtest %}
