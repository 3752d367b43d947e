{# The contacts among the participants that the data of an activity name, as a JSON array of ids. -#}
{% macro participants_of(data) -%}
    jsonb_path_query_array({{ data }}, '$.participants[*].contact_id ? (@ != null)')
{%- endmacro %}

{# The contact of an activity and its participants, each once. -#}
{% macro contact_ids_of(contact_id, participants) -%}
    array(
        select distinct people.contact_id
        from (
            select {{ contact_id }} as contact_id
            union all
            select ids.contact_id
            from jsonb_array_elements_text({{ participants }}) as ids (contact_id)
        ) as people
        where people.contact_id is not null and people.contact_id <> ''
        order by 1
    )
{%- endmacro %}
