"""The catalogue of detectors, in the order of their output. A new one is a file in `detectors/` and a line here."""

from models.signals.detector import Detector
from models.signals.detectors import (
    account_event,
    amount_changed,
    answer_owed,
    champion_left,
    champion_unresponsive,
    close_date_overdue,
    close_date_pulled_in,
    close_date_slipped,
    close_date_unrealistic,
    committee_surge,
    deal_aging,
    deal_stalled,
    engagement_drop,
    engagement_surge,
    executive_engaged,
    ghosted,
    going_dark,
    high_intent_action,
    lead_ready,
    lead_untouched,
    missing_data,
    missing_power,
    new_stakeholder,
    no_next_step,
    ownership_gap,
    past_champion_new_company,
    single_threaded,
)
from models.signals.thresholds import PREFIX

DETECTORS: tuple[Detector, ...] = (
    deal_stalled.DETECTOR,
    deal_aging.DETECTOR,
    going_dark.DETECTOR,
    ghosted.DETECTOR,
    answer_owed.DETECTOR,
    close_date_overdue.DETECTOR,
    close_date_slipped.DETECTOR,
    close_date_unrealistic.DETECTOR,
    close_date_pulled_in.DETECTOR,
    single_threaded.DETECTOR,
    champion_unresponsive.DETECTOR,
    champion_left.DETECTOR,
    missing_power.DETECTOR,
    past_champion_new_company.DETECTOR,
    new_stakeholder.DETECTOR,
    executive_engaged.DETECTOR,
    committee_surge.DETECTOR,
    engagement_surge.DEAL_DETECTOR,
    engagement_surge.ACCOUNT_DETECTOR,
    engagement_drop.DEAL_DETECTOR,
    engagement_drop.ACCOUNT_DETECTOR,
    no_next_step.DETECTOR,
    amount_changed.DETECTOR,
    high_intent_action.DETECTOR,
    lead_ready.DETECTOR,
    lead_untouched.DETECTOR,
    ownership_gap.DETECTOR,
    account_event.DEAL_DETECTOR,
    account_event.ACCOUNT_DETECTOR,
    missing_data.ACCOUNT_DETECTOR,
    missing_data.OPPORTUNITY_DETECTOR,
)

SIGNAL_TYPES: tuple[str, ...] = tuple(sorted({detector.signal_type for detector in DETECTORS}))


def detectors_of(entity_type: str) -> tuple[Detector, ...]:
    """Detectors that apply to `entity_type`, in catalogue order."""
    return tuple(detector for detector in DETECTORS if entity_type in detector.entity_types)


def thresholds_of(signal_type: str) -> tuple[str, ...]:
    """Names of the thresholds that detectors of `signal_type` read, sorted; not the one that holds for all alike."""
    read = {
        name
        for detector in DETECTORS
        if detector.signal_type == signal_type
        for expression in (detector.condition, detector.strength)
        for name in expression.meta.root_names()
    }
    return tuple(sorted(name.removeprefix(PREFIX) for name in read if name.startswith(PREFIX)))
