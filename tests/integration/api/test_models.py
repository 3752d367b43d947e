"""Model versions over HTTP: what is read, one back in one call, who may, and what is told of it."""

from datetime import UTC, datetime, timedelta

from bevyly.ids import new_id
from tests.integration.api.conftest import Api

MODELS = "/api/v1/intent/models"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def add(api: Api, customer_id: str | None, *, status: str, display: str = "probability", day: int = 0) -> str:
    version = new_id()
    api.sql(
        "insert into model_versions (id, customer_id, score_type, status, display, trained_display, n_rows, "
        "n_outcomes, metrics, card, artefact, created_at) values (%s, %s, 'win', %s, %s, 'probability', 10, 5, "
        "'{\"auc\": 0.7}', '# Win score', 'win/1', %s)",
        version,
        customer_id,
        status,
        display,
        NOW + timedelta(days=day),
    )
    return version


async def test_an_earlier_version_is_back_in_one_call(api: Api) -> None:
    old = add(api, api.a.customer_id, status="retired")
    new = add(api, api.a.customer_id, status="champion", display="band", day=7)
    async with api.client(api.a) as client:
        answer = await client.post(f"{MODELS}/{old}/promote", json={"reason": "the new one is off"})
        assert (answer.status_code, answer.json()["status"]) == (200, "champion")
        assert answer.json()["status_reason"] == "the new one is off"
        assert (await client.get(f"{MODELS}/{new}")).json()["status"] == "retired"
        (watched,) = (await client.get("/api/v1/intent/monitoring")).json()["data"]
        assert (watched["model_version_id"], watched["display"]) == (old, "probability")
        (change,) = (await client.get("/api/v1/intent/display-changes")).json()["data"]
        assert (change["from_display"], change["to_display"], change["cause"]) == ("band", "probability", "promotion")
        assert (change["actor_type"], change["actor_id"]) == ("user", api.a.users["owner"])
        assert change["reason"] == "the new one is off"
        # once more changes nothing
        assert (await client.post(f"{MODELS}/{old}/promote", json={"reason": "again"})).status_code == 200
    trail = api.sql("select action, before, after from audit where action = 'model.promoted'")
    assert [(row[0], row[1]["model_version_id"], row[2]["model_version_id"]) for row in trail] == [
        ("model.promoted", new, old)
    ]
    assert [event.type for event in api.events()] == ["briefing.refresh_requested"]
    in_use = "select id from model_versions where status = 'champion' and customer_id = %s"
    assert api.sql(in_use, api.a.customer_id) == [(old,)]


async def test_pooled_versions_are_read_without_figures_and_changed_by_nobody(api: Api) -> None:
    pooled = add(api, None, status="champion")
    other = add(api, None, status="retired", day=-7)
    async with api.client(api.a) as client:
        got = (await client.get(f"{MODELS}/{pooled}")).json()
        assert (got["pooled"], got["card"]) == (True, "# Win score")
        assert [got[name] for name in ("metrics", "n_rows", "n_outcomes", "status_reason", "judgement")] == [None] * 5
        refused = await client.post(f"{MODELS}/{other}/promote", json={"reason": "I want it"})
        assert refused.status_code == 404
    assert api.sql("select id from model_versions where status = 'champion' and customer_id is null") == [(pooled,)]
    api.sql("delete from model_versions where customer_id is null")


async def test_versions_of_others_are_not_there(api: Api) -> None:
    theirs = add(api, api.b.customer_id, status="retired")
    mine = add(api, api.a.customer_id, status="champion")
    async with api.client(api.a) as client:
        listed = (await client.get(MODELS)).json()["data"]
        assert [one["id"] for one in listed] == [mine]
        assert (await client.get(f"{MODELS}/{theirs}")).status_code == 404
        assert (await client.post(f"{MODELS}/{theirs}/promote", json={"reason": "mine now"})).status_code == 404


async def test_who_only_works_here_promotes_nothing(api: Api) -> None:
    version = add(api, api.a.customer_id, status="retired")
    async with api.client(api.a, "member") as client:
        assert (await client.post(f"{MODELS}/{version}/promote", json={"reason": "please"})).status_code == 403
        assert (await client.get(f"{MODELS}/{version}")).status_code == 200


async def test_versions_are_paged_and_narrowed(api: Api) -> None:
    ids = [add(api, api.a.customer_id, status="retired", day=day) for day in range(5)]
    add(api, api.a.customer_id, status="refused", day=9)
    async with api.client(api.a) as client:
        found: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            answer = (await client.get(MODELS, params={"limit": 2, "status": "retired"} | cursor)).json()
            found += [one["id"] for one in answer["data"]]
            if answer["page"]["next_cursor"] is None:
                break
            cursor = {"cursor": answer["page"]["next_cursor"]}
        assert found == ids[::-1]
        assert (await client.get(MODELS, params={"score_type": "fit"})).json()["data"] == []
