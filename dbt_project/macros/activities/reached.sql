{# Steps of int_activities_linked, the last one `reached`: activities of which something is new, or of what they are linked
   through. They stand on its steps `recorded`, `links`, `withdrawals`, `seen` and `new_merges`. -#}
{% macro reached_activities() -%}
    new_links as (

        select links.*
        from links
        cross join seen
        where {{ is_loaded_since('links', 'seen') }}

    ),

    named as not materialized (

        {% for model in ('int_activities_recorded', 'int_activities_revised') %}
            select
                customer_id,
                activity_id,
                account_id,
                lead_id,
                opportunity_id,
                contact_ids
            from {{ ref(model) }}
            {% if not loop.last %} union all {% endif %}
        {% endfor %}

    ),

    -- A new link brings the activities of before it along; so does a merge, and one that is taken back.
    new_names as (

        select
            customer_id,
            'lead' as entity_type,
            lead_id as entity_id
        from new_links

        union

        select
            customer_id,
            'opportunity' as entity_type,
            opportunity_id as entity_id
        from new_links

        union

        select
            links.customer_id,
            'opportunity' as entity_type,
            links.opportunity_id as entity_id
        from new_merges
        inner join links
            on new_merges.customer_id = links.customer_id and new_merges.entity_id = links.lead_id
        where new_merges.entity_type = 'lead'

        union

        select
            customer_id,
            entity_type,
            entity_id
        from new_merges

    ),

    reached as (

        select
            recorded.customer_id,
            recorded.activity_id
        from recorded
        cross join seen
        where {{ is_loaded_since('recorded', 'seen') }}

        union

        select
            withdrawals.customer_id,
            withdrawals.entity_id as activity_id
        from withdrawals
        cross join seen
        where {{ is_loaded_since('withdrawals', 'seen') }}

        {% for entity_type, is_named in {
            'lead': 'named.lead_id = new_names.entity_id',
            'opportunity': 'named.opportunity_id = new_names.entity_id',
            'account': 'named.account_id = new_names.entity_id',
            'contact': 'named.contact_ids @> array[new_names.entity_id]',
        }.items() %}
            union

            select
                named.customer_id,
                named.activity_id
            from new_names
            inner join named
                on
                    new_names.customer_id = named.customer_id
                    and {{ is_named }}
            where new_names.entity_type = '{{ entity_type }}'
        {% endfor %}

    ),
{%- endmacro %}
