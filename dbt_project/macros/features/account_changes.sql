{# What happened to companies. One row per instant of a record whose account is known to have grown or shrunk within
   `account_change_days`: the largest of the changes of headcount and revenue that were recorded of it, or that a provider told
   in two answers. A value that was unknown before is no change. -#}
{% macro summarize_account_changes(records) -%}
    select distinct on (changes.instant_id)
        changes.instant_id,
        changes.kind,
        cast(round(changes.value / changes.value_before - 1, 6) as double precision) as change,
        {{ days_between('changes.as_of', 'changes.recorded_at') }} as days,
        changes.event_id

    from (
        {% for kind, column in {'headcount': 'employee_count', 'revenue': 'annual_revenue_minor'}.items() %}
        select
            records.instant_id,
            records.as_of,
            '{{ kind }}' as kind,
            updates.event_id,
            updates.recorded_at,
            cast(updates.{{ column }} as numeric) as value,
            cast(updates.{{ column }}_before as numeric) as value_before
        from {{ records }} as records
        inner join {{ ref('int_accounts_changed') }} as updates
            on
                records.customer_id = updates.customer_id
                and records.account_id = updates.account_id
                and updates.event_type = 'account.updated'
                and updates.recorded_at <= records.as_of

        union all

        select
            records.instant_id,
            records.as_of,
            '{{ kind }}' as kind,
            answers.event_id,
            answers.recorded_at,
            cast(answers.{{ column }} as numeric) as value,
            lag(cast(answers.{{ column }} as numeric)) over (
                partition by records.instant_id, answers.provider order by answers.occurred_at, answers.event_id
            ) as value_before
        from {{ records }} as records
        inner join {{ ref('int_accounts_enriched') }} as answers
            on
                records.customer_id = answers.customer_id
                and records.account_id = answers.account_id
                and answers.recorded_at <= records.as_of
        where answers.{{ column }} is not null
        {% if not loop.last %} union all {% endif %}
        {% endfor %}
    ) as changes

    where
        changes.value > 0
        and changes.value_before > 0
        and changes.value <> changes.value_before
        and changes.recorded_at > changes.as_of - interval '{{ var("account_change_days") | int }} days'

    order by changes.instant_id asc, abs(changes.value / changes.value_before - 1) desc, changes.event_id asc
{%- endmacro %}
