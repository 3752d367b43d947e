{# dbt replaces tables, so row-level security and grants are put back after every build of every model. -#}
{% macro apply_tenant_security() -%}
    {%- if model.config.materialized == 'view' -%}
        alter view {{ this }} set (security_invoker = true)
    {%- else -%}
        {%- set regclass = "'" ~ this.render() | replace('"', '') ~ "'::regclass" -%}
        do $security$
        begin
            {#- before the table's row in pg_class changes: an autovacuum that looks at the table holds the lock that this waits for,
                and would wait for that row #}
            {{ analyze_where_much_changed(regclass) }}
            if not (select relrowsecurity and relforcerowsecurity from pg_class where oid = {{ regclass }}) then
                alter table {{ this }} enable row level security;
                alter table {{ this }} force row level security;
            end if;
            if not exists (select from pg_policy where polrelid = {{ regclass }} and polname = 'tenant_of_session') then
                create policy tenant_of_session on {{ this }} for all to bevyly_app
                    using (customer_id = nullif(current_setting('bevyly.customer_id', true), ''))
                    with check (customer_id = nullif(current_setting('bevyly.customer_id', true), ''));
            end if;
            if not exists (select from pg_policy where polrelid = {{ regclass }} and polname = 'pipeline_all_tenants') then
                create policy pipeline_all_tenants on {{ this }} for all to bevyly_pipeline using (true) with check (true);
            end if;
            {%- set traced = columns_for_lineage(model.name) %}
            {%- if model.schema == 'marts' %}
            if not has_table_privilege('bevyly_app', {{ regclass }}, 'select') then
                grant select on {{ this }} to bevyly_app;
            end if;
            {%- elif traced %}
            if not (
                select bool_and(has_column_privilege('bevyly_app', {{ regclass }}, traced.name, 'select'))
                from unnest(array['{{ traced | join("', '") }}']) as traced (name)
            ) then
                grant select ({{ traced | join(', ') }}) on {{ this }} to bevyly_app;
            end if;
            {%- endif %}
        end
        $security$
    {%- endif -%}
{%- endmacro %}

{# On run start, since models that build side by side must not grant the same thing at once. -#}
{% macro open_marts_to_the_app() -%}
    do $grants$
    begin
        if to_regnamespace('intermediate') is not null and not has_schema_privilege('bevyly_app', 'intermediate', 'usage') then
            grant usage on schema intermediate to bevyly_app;
        end if;
        if to_regnamespace('marts') is not null and not has_schema_privilege('bevyly_app', 'marts', 'usage') then
            grant usage on schema marts to bevyly_app;
        end if;
    end
    $grants$
{%- endmacro %}

{# What the API may read of intermediate models to find the events behind a score (`score_evidence`): ids and times, nothing
   that anybody is called or said. -#}
{% macro columns_for_lineage(name) -%}
    {%- set change = ['customer_id', 'event_id', 'event_type', 'version', 'occurred_at', 'recorded_at'] -%}
    {{ return({
        'int_leads_changed': change + ['lead_id', 'opportunity_id', 'account_id', 'owner_id'],
        'int_opportunities_changed': change + ['opportunity_id', 'account_id', 'owner_id'],
        'int_accounts_changed': change + ['account_id'],
        'int_contacts_changed': change + ['account_id'],
        'int_contacts_placed': ['customer_id', 'contact_id', 'account_id', 'placed'],
        'int_leads_linked': ['customer_id', 'lead_id', 'opportunity_id', 'linked_at'],
        'int_activities_linked': [
            'customer_id', 'entity_type', 'entity_id', 'event_id', 'revision_id', 'known_at', 'occurred_at', 'hidden',
        ],
        'int_leads_decided': ['customer_id', 'owner_id', 'event_id', 'decided_at', 'known_at', 'hidden'],
        'int_opportunities_decided': ['customer_id', 'owner_id', 'event_id', 'decided_at', 'recorded_at', 'hidden'],
    }.get(name, [])) }}
{%- endmacro %}

{# Statistics before the next model reads: of a table that is new, and else once a tenth of its rows is. Looking at a sample of
   every table after every refresh would cost more than a small refresh does. -#}
{% macro analyze_where_much_changed(regclass) -%}
    {%- if not is_incremental() -%}
        analyze {{ this }};
    {%- else -%}
        if (
            select
                pg_stat_get_mod_since_analyze(oid)
                + pg_stat_get_xact_tuples_inserted(oid)
                + pg_stat_get_xact_tuples_updated(oid)
                + pg_stat_get_xact_tuples_deleted(oid)
                > 50 + 0.1 * greatest(reltuples, 0)
            from pg_class
            where oid = {{ regclass }}
        ) then
            analyze {{ this }};
        end if;
    {%- endif %}
{%- endmacro %}
