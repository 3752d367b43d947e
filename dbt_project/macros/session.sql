{# dbt sets the role when it connects, inside a transaction that may be rolled back: set it again in each one that writes.
   Just-in-time compilation costs more than it saves here; day boundaries and text forms of timestamps are UTC. -#}
{% macro session_settings() -%}
    {%- if target.role %}set local role {{ target.role }};{% endif %}
    set local jit = off;
    set local work_mem = '64MB';
    set local timezone = 'UTC'
{%- endmacro %}

{# A full build has no use for loops over an index, and common table expressions have no statistics to tell the planner so. -#}
{% macro planner_settings() -%}
    {%- if is_incremental() -%} select 1 {%- else -%} set local enable_nestloop = off {%- endif -%}
{%- endmacro %}
