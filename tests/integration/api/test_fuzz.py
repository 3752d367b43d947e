"""Generated requests from the API's own document: whatever is sent, the API never fails on its side.

Requests are of both kinds, valid and not; their ids are those of rows that exist as often as not.
"""

from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from starlette.testclient import TestClient

from api.main import create_app
from bevyly.settings import Settings
from tests.integration.api.conftest import ENCRYPTION_KEY, SECRET, UNLIMITED, Api, two_tenants
from tests.integration.api.seeds import seed as fill
from tests.support.databases import Database

EXAMPLES = 8
SEED = 20_261_123


def cases(app: FastAPI) -> list[Any]:
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.config.generation.update(modes=list(GenerationMode))
    return [result.ok() for result in schema.get_all_operations()]


def test_no_generated_request_makes_the_api_fail(database: Database, redis_url: str) -> None:
    settings_ = Settings(
        database_url=database.owner_url, redis_url=redis_url, jwt_secret=SECRET, encryption_keys=ENCRYPTION_KEY
    )
    app = create_app(settings_, limits=UNLIMITED)
    tenant, other = two_tenants(database)
    ids = fill(database.pipeline_url, tenant.customer_id, tenant.users["owner"])
    sent, failures = [0], []
    with TestClient(app, raise_server_exceptions=False) as client:
        authorization = {"authorization": f"Bearer {Api(app, database, tenant, other).token(tenant)}"}
        for operation in cases(app):
            strategy = st.one_of(operation.as_strategy(mode) for mode in GenerationMode)

            @seed(SEED)
            @settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy, real=st.booleans())
            def attempt(case: Any, real: bool) -> None:
                if real:
                    case.path_parameters = {**(case.path_parameters or {}), **_known(case, ids)}
                request = case.as_transport_kwargs(base_url="http://testserver")
                headers = {k: v.encode("utf-8", "replace") for k, v in request.pop("headers", {}).items()}
                request.pop("cookies", None)
                request["content"] = request.pop("data", None)
                answer = client.request(headers={**headers, **authorization}, **request)
                sent[0] += 1
                if answer.status_code >= 500:
                    failures.append((case.method, case.path, request, answer.text))

            attempt()
    assert failures == [], f"seed {SEED}: {failures[:3]}"
    assert sent[0] >= EXAMPLES * 30


def _known(case: Any, ids: dict[str, str]) -> dict[str, str]:
    return {name: ids[name] for name in (case.path_parameters or {}) if name in ids}
