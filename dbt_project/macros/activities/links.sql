{# Steps of int_activities_linked, the last one `linked`: what is told of an activity, once for each record that it counts for and
   since when. They stand on its steps `unlinked`, `links` and `merged_records`. -#}
{% macro links_of_activities() -%}
    linked_itself as (

        select
            'opportunity' as entity_type,
            unlinked.opportunity_id as entity_id,
            'itself' as linked_via,
            unlinked.known_from as known_at,
            unlinked.*
        from unlinked
        where unlinked.opportunity_id is not null

        union all

        select
            'opportunity' as entity_type,
            links.opportunity_id as entity_id,
            'lead' as linked_via,
            greatest(unlinked.known_from, links.linked_at) as known_at,
            unlinked.*
        from unlinked
        inner join links
            on unlinked.customer_id = links.customer_id and unlinked.lead_id = links.lead_id
        where unlinked.opportunity_id is null

        union all

        select
            'lead' as entity_type,
            unlinked.lead_id as entity_id,
            'itself' as linked_via,
            unlinked.known_from as known_at,
            unlinked.*
        from unlinked
        where unlinked.lead_id is not null

        union all

        select
            'lead' as entity_type,
            links.lead_id as entity_id,
            'opportunity' as linked_via,
            greatest(unlinked.known_from, links.linked_at) as known_at,
            unlinked.*
        from unlinked
        inner join links
            on unlinked.customer_id = links.customer_id and unlinked.opportunity_id = links.opportunity_id
        where unlinked.lead_id is distinct from links.lead_id

        union all

        select
            'account' as entity_type,
            unlinked.account_id as entity_id,
            'itself' as linked_via,
            unlinked.known_from as known_at,
            unlinked.*
        from unlinked
        where unlinked.account_id is not null

        union all

        select
            'contact' as entity_type,
            participants.contact_id as entity_id,
            'itself' as linked_via,
            unlinked.known_from as known_at,
            unlinked.*
        from unlinked
        cross join unnest(unlinked.contact_ids) as participants (contact_id)

    ),

    -- What was recorded of a record that was merged counts for the one that stands for it, while it does.
    linked_by_merge as (

        select
            linked_itself.customer_id,
            linked_itself.entity_type,
            merged_records.survivor_id as entity_id,
            linked_itself.event_id,
            linked_itself.revision_id,
            min(greatest(linked_itself.known_at, lower(merged_records.merged))) as known_at,
            '{(,)}'::tstzmultirange - range_agg(merged_records.merged) as hidden

        from linked_itself
        inner join merged_records
            on
                linked_itself.customer_id = merged_records.customer_id
                and linked_itself.entity_type = merged_records.entity_type
                and linked_itself.entity_id = merged_records.entity_id

        where
            not exists (
                select 1 from linked_itself as own
                where
                    own.customer_id = linked_itself.customer_id
                    and own.entity_type = linked_itself.entity_type
                    and own.entity_id = merged_records.survivor_id
                    and own.event_id = linked_itself.event_id
                    and own.revision_id = linked_itself.revision_id
            )

        group by
            linked_itself.customer_id,
            linked_itself.entity_type,
            merged_records.survivor_id,
            linked_itself.event_id,
            linked_itself.revision_id

    ),

    linked as (

        select
            *,
            '{}'::tstzmultirange as hidden
        from linked_itself

        union all

        select
            linked_by_merge.entity_type,
            linked_by_merge.entity_id,
            'merge' as linked_via,
            linked_by_merge.known_at,
            unlinked.*,
            linked_by_merge.hidden
        from linked_by_merge
        inner join unlinked
            on
                linked_by_merge.customer_id = unlinked.customer_id
                and linked_by_merge.event_id = unlinked.event_id
                and linked_by_merge.revision_id = unlinked.revision_id

    ),
{%- endmacro %}
