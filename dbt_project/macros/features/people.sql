{# Who a person is in a deal: said in this place and nowhere else. `person` has role, seniority and title as known. Words are
   compared without case, with `_` for blanks and hyphens. -#}
{% macro word_of(text) -%}
    translate(lower(btrim({{ text }})), ' -', '__')
{%- endmacro %}

{% macro is_executive(person) -%}
    coalesce(
        {{ word_of(person ~ '.seniority') }} in (
            'c_suite', 'c_level', 'cxo', 'executive', 'founder', 'owner', 'partner', 'president', 'vp', 'vice_president'
        )
        or {{ person }}.title ~* '\m(chief|ceo|cfo|coo|cto|cio|cmo|cro|cso|founder|owner|president|vp|managing director)\M',
        false
    )
{%- endmacro %}

{# Who can say yes: an executive, or whoever is recorded as the one who decides. -#}
{% macro has_power(person) -%}
    (
        {{ is_executive(person) }}
        or coalesce(
            {{ word_of(person ~ '.role') }} in (
                'decision_maker', 'economic_buyer', 'executive_sponsor', 'budget_holder', 'approver'
            ),
            false
        )
    )
{%- endmacro %}

{# Steps over `activities` (instant_id, customer_id, as_of and the touch columns), the last one `{{ prefix }}people`: one row per
   instant and person of the other side who took part. Who was merged is who stands for them; who was deleted is nobody.
   `champion_rank` is 1 for the champion: of those who ever came back to us the one whose recorded role is champion, else the
   one with the most two-way engagement. `arrival` counts people in the order in which they first came back. -#}
{% macro people_of(activities, prefix='') -%}
{{ prefix }}people_touches as materialized (

    select distinct
        touches.instant_id,
        touches.customer_id,
        touches.as_of,
        coalesce(merges.survivor_id, participants.contact_id) as contact_id,
        touches.event_id,
        touches.occurred_at,
        touches.is_inbound,
        touches.is_outbound,
        touches.is_inbound or {{ is_conversation('touches') }} as is_contact,
        cast({{ engagement_weight('touches') }} as numeric) as weight

    from {{ activities }} as touches
    cross join unnest(touches.contact_ids) as participants (contact_id)
    left join {{ ref('int_records_merged') }} as merges
        on
            touches.customer_id = merges.customer_id
            and merges.entity_type = 'contact'
            and participants.contact_id = merges.entity_id
            and merges.merged @> touches.as_of
    left join {{ ref('int_records_hidden') }} as hidden_people
        on
            touches.customer_id = hidden_people.customer_id
            and hidden_people.entity_type = 'contact'
            and coalesce(merges.survivor_id, participants.contact_id) = hidden_people.entity_id

    where
        (touches.is_inbound or touches.is_outbound)
        and {{ is_in_force('hidden_people', 'touches.as_of') }}

),

{{ prefix }}people_seen as materialized (

    select
        instant_id,
        customer_id,
        as_of,
        contact_id,
        sum(weight) as weight,
        min(occurred_at) filter (where is_inbound) as first_inbound_at,
        max(occurred_at) filter (where is_inbound) as last_inbound_at,
        (array_agg(event_id order by occurred_at, event_id) filter (where is_inbound))[1] as first_inbound_event_id,
        (array_agg(event_id order by occurred_at desc, event_id desc) filter (where is_inbound))[1] as last_inbound_event_id,
        (array_agg(event_id order by occurred_at desc, event_id desc) filter (where is_outbound))[1]
            as last_outbound_event_id,
        coalesce(bool_or(is_inbound and occurred_at > as_of - interval '14 days'), false) as is_engaged_14d,
        coalesce(
            bool_or(
                is_inbound
                and occurred_at <= as_of - interval '14 days'
                and occurred_at > as_of - interval '28 days'
            ), false
        ) as is_engaged_before,
        max(contact_at) as last_contact_at,
        count(*) filter (where is_outbound and not is_inbound and occurred_at > contact_at) as outbound_since

    from (
        select
            *,
            max(occurred_at) filter (where is_contact) over (partition by instant_id, contact_id) as contact_at
        from {{ prefix }}people_touches
    ) as touches

    group by instant_id, customer_id, as_of, contact_id

),

{{ prefix }}people_told as materialized (

    select
        seen.instant_id,
        seen.contact_id,
        {{ safe_text("seen.state ->> 'role'") }} as role,
        {{ safe_text("seen.state ->> 'seniority'") }} as seniority,
        {{ safe_text("seen.state ->> 'title'") }} as title

    from (
        select
            people.instant_id,
            people.contact_id,
            intermediate.jsonb_merge(changes.fields order by {{ version_order('changes') }}) as state
        from {{ prefix }}people_seen as people
        inner join {{ ref('int_contacts_changed') }} as changes
            on
                people.customer_id = changes.customer_id
                and people.contact_id = changes.contact_id
                and changes.recorded_at <= people.as_of
        group by people.instant_id, people.contact_id
    ) as seen

),

{{ prefix }}people as materialized (

    select
        people.*,
        num_nonnulls(told.role, told.seniority, told.title) > 0 as is_told,
        {{ is_executive('told') }} as is_executive,
        {{ has_power('told') }} as has_power,
        case when people.last_inbound_at is not null and people.weight > 0 then row_number() over (
            partition by people.instant_id
            order by
                people.last_inbound_at is not null and people.weight > 0 desc,
                coalesce({{ word_of('told.role') }} = 'champion', false) desc,
                people.weight desc,
                people.last_inbound_at desc,
                people.contact_id asc
        ) end as champion_rank,
        case when people.first_inbound_at is not null then row_number() over (
            partition by people.instant_id
            order by people.first_inbound_at asc nulls last, people.contact_id asc
        ) end as arrival

    from {{ prefix }}people_seen as people
    left join {{ prefix }}people_told as told
        on people.instant_id = told.instant_id and people.contact_id = told.contact_id

),
{%- endmacro %}

{# Further steps over `people_of`, the last one `people_summaries`: one row per instant of `records`, which has the account, with
   what deals have to know of their people. A champion left when they were known to be at the account, and are not any more. -#}
{% macro summarize_people(records) -%}
champions as materialized (

    select
        people.*,
        departures.left_at,
        (
            select min(moves.event_id) from {{ ref('int_contacts_changed') }} as moves
            where
                moves.customer_id = people.customer_id
                and moves.contact_id = people.contact_id
                and moves.sets_account
                and moves.recorded_at = departures.left_at
        ) as left_event_id

    from people
    inner join {{ records }} as records on people.instant_id = records.instant_id
    left join lateral (
        select max(upper(spans.span)) as left_at
        from {{ ref('int_contacts_placed') }} as places
        cross join unnest(places.placed) as spans (span)
        where
            places.customer_id = people.customer_id
            and places.contact_id = people.contact_id
            and places.account_id = records.account_id
            and upper(spans.span) <= people.as_of
            and not places.placed @> people.as_of
    ) as departures on true

    where people.champion_rank = 1

),

newcomers as materialized (

    select distinct on (instant_id) * from people

    where arrival > 1

    order by instant_id, arrival desc

),

executives as materialized (

    select distinct on (instant_id) * from people

    where is_executive and last_inbound_at is not null

    order by instant_id asc, last_inbound_at desc, contact_id asc

),

people_counts as materialized (

    select
        instant_id,
        count(*) filter (where last_inbound_at is not null and is_told) as people_told,
        count(*) filter (where last_inbound_at is not null and has_power) as power_engaged,
        count(*) filter (where is_engaged_14d) as contacts_engaged_14d,
        count(*) filter (where is_engaged_before) as contacts_engaged_before

    from people

    group by instant_id

),

people_summaries as materialized (

    select
        counts.*,
        champions.contact_id as champion_contact_id,
        {{ days_between('champions.as_of', 'champions.last_contact_at') }} as champion_silent_days,
        champions.outbound_since as champion_outbound_since,
        {{ days_between('champions.as_of', 'champions.left_at') }} as champion_left_days,
        champions.left_event_id as champion_left_event_id,
        champions.last_inbound_event_id as champion_inbound_event_id,
        champions.last_outbound_event_id as champion_outbound_event_id,
        newcomers.contact_id as newcomer_contact_id,
        {{ days_between('newcomers.as_of', 'newcomers.first_inbound_at') }} as newcomer_days,
        newcomers.first_inbound_event_id as newcomer_event_id,
        executives.contact_id as executive_contact_id,
        {{ days_between('executives.as_of', 'executives.last_inbound_at') }} as executive_days,
        executives.first_inbound_event_id as executive_event_id

    from people_counts as counts
    left join champions on counts.instant_id = champions.instant_id
    left join newcomers on counts.instant_id = newcomers.instant_id
    left join executives on counts.instant_id = executives.instant_id

),
{%- endmacro %}
