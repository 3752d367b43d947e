{# What each model has already seen. A run gets a number; rows that it writes to the intermediate tables carry it as run_id;
   a model's watermark is the run whose rows it has seen, stored in the transaction that writes the model.
   Sequence numbers alone would lose rows that commit late. -#}
{% macro open_build_run() -%}
    create table if not exists intermediate.build_runs (
        run_id bigint generated always as identity primary key,
        now_at timestamptz not null,
        briefing_day date not null,
        seq_high bigint not null,
        started_at timestamptz not null default now()
    );
    create table if not exists intermediate.build_watermarks (
        model text primary key,
        run_id bigint not null references intermediate.build_runs (run_id)
    );
    insert into intermediate.build_runs (now_at, briefing_day, seq_high)
    select
        {{ now_at() }},
        {{ briefing_day() }},
        coalesce(
            {% if flags.FULL_REFRESH -%}
                (select max(seq) from {{ source('raw', 'events') }}),
            {%- else -%}
                (select max(seq) from {{ source('raw', 'events') }} where seq > coalesce(last_run.seq_high, 0)),
                last_run.seq_high,
            {%- endif %}
            0
        )
    from (select max(seq_high) as seq_high from intermediate.build_runs) as last_run;
    delete from intermediate.build_runs
    where
        run_id < (select coalesce(min(run_id), 0) from intermediate.build_watermarks)
        and run_id < (select max(run_id) from intermediate.build_runs)
{%- endmacro %}

{% macro current_run_id() -%}
    (select max(runs.run_id) from {{ source('build', 'build_runs') }} as runs)
{%- endmacro %}

{# Post-hook. `seen_through` names the model whose rows decided what was recomputed: this model saw no further than that one. -#}
{% macro mark_built(seen_through=none) -%}
    insert into intermediate.build_watermarks (model, run_id)
    select
        '{{ this.name }}',
        {% if seen_through -%}
            (select marks.run_id from intermediate.build_watermarks as marks where marks.model = '{{ seen_through }}')
        {%- else -%}
            (select max(runs.run_id) from intermediate.build_runs as runs)
        {%- endif %}
    on conflict (model) do update set run_id = excluded.run_id
{%- endmacro %}

{# True for rows that a model with this watermark has not used: loaded since, or recorded between its `now` and this one.
   When `now` moves back, the rows between must be unseen again. -#}
{% macro is_unseen(rows, watermark, known_at='recorded_at') -%}
    (
        {{ rows }}.run_id > {{ watermark }}.run_id
        or (
            {{ rows }}.{{ known_at }} > least({{ watermark }}.now_from, {{ now_at() }})
            and {{ rows }}.{{ known_at }} <= {{ watermark }}.now_to
        )
    )
{%- endmacro %}

{# Of a staging view: rows above the watermark, with an overlap for late commits, that are not in this table yet. -#}
{% macro is_not_loaded(events) -%}
    {{ events }}.seq > {{ seen_by([this.name]).seq_high }} - {{ var('late_commit_window') | int }}
    and not exists (
        select 1 from {{ this }} as loaded
        where loaded.customer_id = {{ events }}.customer_id and loaded.event_id = {{ events }}.event_id
    )
{%- endmacro %}

{# Pre-hook: rows of touched entities go before they are computed again, since some have no right to exist any more. -#}
{% macro forget_touched(touched, keys, since=none) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} as stored
        using {{ touched }} as touched
        where
            {%- for key in keys %}
            stored.{{ key }} = touched.{{ key }} and
            {%- endfor %}
            {{ since if since else 'true' }}
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}

{# State is a chain of patches: merging them in version order gives the record as it then was. -#}
{% macro create_jsonb_merge() -%}
    do $schema$ begin if to_regnamespace('intermediate') is null then create schema intermediate; end if; end $schema$;
    create or replace aggregate intermediate.jsonb_merge(jsonb) (
        sfunc = jsonb_concat, stype = jsonb, initcond = '{}', parallel = safe
    )
{%- endmacro %}

{% macro version_order(changes, direction='asc') -%}
    {{ changes }}.version {{ direction }}, {{ changes }}.occurred_at {{ direction }}, {{ changes }}.recorded_at {{ direction }}, {{ changes }}.event_id {{ direction }}
{%- endmacro %}

{# For models that do not depend on `now`: rows loaded since this watermark. -#}
{% macro is_loaded_since(rows, watermark) -%}
    {{ rows }}.run_id > {{ watermark }}.run_id
{%- endmacro %}

{# The same for the pre-hooks of a model, which have no watermark at hand. -#}
{% macro is_loaded_since_this(rows) -%}
    {{ rows }}.run_id > {{ seen_by([this.name]).run_id }}
{%- endmacro %}

{# Pre-hook of snapshots: a `now` that moved back must not leave instants of its future. -#}
{% macro forget_later_than(instant) -%}
    {%- if is_incremental() -%}
        delete from {{ this }} where as_of > {{ instant }}
    {%- else -%}
        select 1
    {%- endif -%}
{%- endmacro %}
