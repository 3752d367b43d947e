"""Checks that stop a refresh before the briefing: a wrong number is worse than an old one.

Each is one statement that counts offending rows; zero passes. What fails leaves the last good briefing in place.
"""

import dagster as dg

from pipelines.resources import Warehouse

# asset, name, what it means, the statement that counts offenders
RULES: tuple[tuple[str, str, str, str], ...] = (
    (
        "raw_events",
        "entities_in_order",
        "Events of one entity arrived in the order of its versions, unless they were published again (looked at: the "
        "newest 200,000 events).",
        """
        with late as (
          select customer_id, event_id from (
            select customer_id, event_id, sequence < lag(sequence) over (
                     partition by customer_id, subject_type, subject_id order by seq) as wrong
            from raw.events where seq > (select coalesce(max(seq), 0) - 200000 from raw.events)
          ) ordered where wrong
        ), published_again as (
          select customer_id, event_id from event_journal
          where (customer_id, event_id) in (select customer_id, event_id from late)
          group by customer_id, event_id having count(*) > 1
        )
        select count(*) from late where (customer_id, event_id) not in (select * from published_again)
        """,
    ),
    (
        "scores",
        "probabilities_inside_their_interval",
        "Every current score is a probability inside its interval.",
        """
        select count(*) from scores where is_current
          and not (0 <= probability_low and probability_low <= probability
                   and probability <= probability_high and probability_high <= 1)
        """,
    ),
    (
        "scores",
        "reasons_sum_to_the_logit",
        "Baseline and contributions of every current score add up to its logit.",
        """
        select count(*) from scores s where is_current and abs(
          s.baseline_logit - s.logit
          + (select coalesce(sum((reason->>'contribution')::double precision), 0)
             from jsonb_array_elements(s.reasons) reason)
        ) > 1e-6
        """,
    ),
    (
        "recommendations",
        "recommendations_have_reason_value_and_proof",
        "Every open recommendation has a rationale, evidence and a value inside its range.",
        """
        select count(*) from recommendations where status = 'pending' and not (
          rationale <> '' and jsonb_array_length(evidence) > 0
          and expected_value_low_minor <= expected_value_minor
          and expected_value_minor <= expected_value_high_minor)
        """,
    ),
    (
        "recommendations",
        "nothing_is_recommended_for_what_is_decided",
        "No open recommendation is about an opportunity or lead that was decided by the events at hand.",
        """
        select count(*) from recommendations r where r.status = 'pending' and (
          (r.entity_type = 'opportunity' and not exists (
            select from marts.opportunity_features f
            where f.customer_id = r.customer_id and f.opportunity_id = r.entity_id))
          or (r.entity_type = 'lead' and not exists (
            select from marts.lead_features f where f.customer_id = r.customer_id and f.lead_id = r.entity_id)))
        """,
    ),
)


def _check(asset: str, name: str, description: str, statement: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=name, description=description, blocking=True)
    def counted(warehouse: Warehouse) -> dg.AssetCheckResult:
        with warehouse.connect() as connection:
            row = connection.execute(statement).fetchone()
        offenders = int(row[0]) if row else 0
        return dg.AssetCheckResult(passed=offenders == 0, metadata={"offending_rows": offenders})

    return counted


def build_checks() -> list[dg.AssetChecksDefinition]:
    """All blocking checks, one a rule."""
    return [_check(*rule) for rule in RULES]
