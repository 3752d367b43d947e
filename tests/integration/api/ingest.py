"""Events as another system would send them."""

from typing import Any

import httpx

PATH = "/api/v1/events"
BATCH = {"content-type": "application/cloudevents-batch+json"}
SINGLE = {"content-type": "application/cloudevents+json"}


def event(id_: str, type_: str, time: str | None = None, *, source: str = "crm", **data: Any) -> dict[str, Any]:
    """One event; `data` holds their ids."""
    made = {"specversion": "1.0", "id": id_, "source": source, "type": type_, "data": data}
    return made | ({"time": time} if time else {})


def company(number: int = 1, **more: Any) -> dict[str, Any]:
    """An account of theirs."""
    return event(f"a{number}", "account.created", account_id=f"A{number}", name=f"Company {number}", **more)


def funnel() -> list[dict[str, Any]]:
    """An account with a contact, a lead that is converted, a deal that is won, and what was done for it."""
    return [
        event("1", "account.created", "2026-01-01T08:00:00Z", account_id="A", name="Steel", domain="Steel.example"),
        event(
            "2", "contact.created", "2026-01-01T09:00:00Z", contact_id="C", account_id="A", email="ann@steel.example"
        ),
        event("3", "lead.created", "2026-01-02T08:00:00Z", lead_id="L", company_name="Steel", status="working"),
        event(
            "4",
            "opportunity.created",
            "2026-01-05T08:00:00Z",
            opportunity_id="O",
            account_id="A",
            contact_id="C",
            lead_id="L",
            name="Deal",
            stage="proposal",
            value_minor=100_00,
            currency="EUR",
        ),
        event(
            "5",
            "lead.converted",
            "2026-01-05T08:00:00Z",
            lead_id="L",
            account_id="A",
            contact_id="C",
            opportunity_id="O",
        ),
        event(
            "6",
            "call.completed",
            "2026-01-06T10:00:00Z",
            activity_id="T",
            opportunity_id="O",
            duration_seconds=90,
            participants=[{"contact_id": "C", "role": "champion"}],
        ),
        event(
            "7", "opportunity.stage_changed", "2026-01-20T08:00:00Z", opportunity_id="O", to_stage="won", status="won"
        ),
    ]


async def send(client: httpx.AsyncClient, *events: Any) -> list[dict[str, Any]]:
    """The results of a batch."""
    answer = await client.post(PATH, json=list(events), headers=BATCH)
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert sum(document["counts"].values()) == len(events)
    results: list[dict[str, Any]] = document["results"]
    assert [result["index"] for result in results] == list(range(len(events)))
    return results


def statuses(results: list[dict[str, Any]]) -> list[str]:
    """What became of each event; of a refused one, why."""
    return [result["problem"]["code"] if "problem" in result else result["status"] for result in results]
