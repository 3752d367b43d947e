{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['customer_id', 'account_id', 'entity_type', 'entity_id'],
        indexes=[
            {'columns': ['customer_id', 'account_id', 'entity_type', 'entity_id'], 'unique': true},
            {'columns': ['customer_id', 'entity_type', 'entity_id']},
        ],
        post_hook=["{{ mark_built() }}"],
    )
}}

with

seen as not materialized (

    {{ watermark([this.name]) }}

),

{%- set sources = {
    'account': 'int_accounts_changed',
    'contact': 'int_contacts_changed',
    'lead': 'int_leads_changed',
    'opportunity': 'int_opportunities_changed',
} %}

namings as (

    {% for entity, model in sources.items() %}
        select
            changes.customer_id,
            changes.account_id,
            '{{ entity }}' as entity_type,
            changes.{{ entity }}_id as entity_id,
            changes.recorded_at
        from {{ ref(model) }} as changes
        cross join seen
        where
            changes.account_id is not null
            {% if is_incremental() %}
                and {{ is_loaded_since('changes', 'seen') }}
            {% endif %}
        {% if not loop.last %} union all {% endif %}
    {% endfor %}

),

links as (

    select
        customer_id,
        account_id,
        entity_type,
        entity_id,
        min(recorded_at) as linked_at

    from namings

    group by customer_id, account_id, entity_type, entity_id

)

{% if is_incremental() %}
    select
        links.customer_id,
        links.account_id,
        links.entity_type,
        links.entity_id,
        least(links.linked_at, stored.linked_at) as linked_at
    from links
    left join {{ this }} as stored
        on
            links.customer_id = stored.customer_id
            and links.account_id = stored.account_id
            and links.entity_type = stored.entity_type
            and links.entity_id = stored.entity_id
{% else %}
    select * from links
{% endif %}
