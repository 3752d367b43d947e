{{ config(meta={'dagster': {'ref': {'name': 'opportunity_next_actions'}}}) }}

-- dbt replaces tables, and with them their policies: a table that came back without forced row-level security, or a view that
-- reads as its owner, would show one tenant the rows of all.
-- depends_on: {{ ref('opportunity_next_actions') }}
-- depends_on: {{ ref('lead_next_actions') }}
-- depends_on: {{ ref('account_features') }}
-- depends_on: {{ ref('stage_norms') }}
-- depends_on: {{ ref('lead_outcomes') }}
select classes.oid::regclass as relation
from pg_class as classes
inner join pg_attribute as attributes
    on classes.oid = attributes.attrelid and attributes.attname = 'customer_id'
where
    classes.relnamespace::regnamespace::text in ('staging', 'intermediate', 'marts')
    and (
        (
            classes.relkind in ('r', 'p')
            and not (
                classes.relrowsecurity
                and classes.relforcerowsecurity
                and exists (
                    select 1 from pg_policy
                    where polrelid = classes.oid and polname = 'tenant_of_session'
                )
            )
        )
        or (classes.relkind = 'v' and not coalesce('security_invoker=true' = any(classes.reloptions), false))
        or classes.relkind = 'm'
    )
