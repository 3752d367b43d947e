"""Tokens that we did not sign, or not like that: one answer, and none of them reaches the database."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.dependencies.tokens import key_id
from bevyly.ids import new_id
from tests.integration.api.conftest import SECRET, Api
from tests.integration.api.test_identity import ME, bearer

RSA = rsa.generate_private_key(65537, 2048)
KID = key_id(SECRET)


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def by_hand(claims: dict[str, Any], key: bytes) -> str:
    """Signed with what no library lets one sign with."""
    text = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': KID})}.{encoded(claims)}"
    signature = hmac.digest(key, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def forgeries(claims: dict[str, Any], good: str) -> dict[str, str]:
    """Tokens by what is wrong with them; the identity tests have the plainer ones."""
    head, body, signature = good.split(".")

    def sign(values: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **header: Any) -> str:
        return jwt.encode(values, key, algorithm=algorithm, headers={"kid": KID} | header)

    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key()))
    now = int(datetime.now(UTC).timestamp())
    return {
        "RS256 under our kid": sign(claims, RSA, "RS256"),
        "ES256 under our kid": sign(claims, ec.generate_private_key(ec.SECP256R1()), "ES256"),
        "PS256 with its own key in the header": sign(claims, RSA, "PS256", jwk=public),
        "HS256 signed with a public key": by_hand(
            claims, RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        ),
        "a header that says where the key is": sign(claims, "x" * 40, jku="https://evil.example/keys", x5u="file:///x"),
        "empty key": sign(claims, "x" * 40, kid=""),
        "kid is a device": sign(claims, "x" * 40, kid="/dev/null"),
        "kid is a statement": sign(claims, "x" * 40, kid="x' union select 'x' --"),
        "kid is a list": f"{encoded({'alg': 'HS256', 'kid': [KID]})}.{body}.{signature}",
        "alg is NONE": f"{encoded({'alg': 'NoNe', 'kid': KID})}.{body}.{signature}",
        "alg is missing": f"{encoded({'kid': KID})}.{body}.{signature}",
        "critical extension": sign(claims, crit=["exp"]),
        "unencoded payload": sign(claims, b64=False, crit=["b64"]),
        "other audience": sign(claims | {"aud": "somebody else"}),
        "issuer in other letters": sign(claims | {"iss": "Bevyly"}),
        "exp is true": sign(claims | {"exp": True}),
        "exp is a fraction": sign(claims | {"exp": now + 900.5}),
        "ver is text": sign(claims | {"ver": "1"}),
        "tenant is no id": sign(claims | {"cid": "' or 1=1 --"}),
        "session is no id": sign(claims | {"sid": "x' or 'x'='x"}),
        "session is a list": sign(claims | {"sid": [new_id()]}),
        "no tenant": sign({name: value for name, value in claims.items() if name != "cid"}),
        "signature of another": f"{head}.{body}.{signature[::-1]}",
        "no signature": f"{head}.{body}.",
        "four parts": f"{good}.{signature}",
        "eight kilobytes": sign(claims | {"name": "x" * 8192}),
    }


async def test_no_forgery_gets_in_or_reaches_the_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    good = api.token(api.a)
    claims = jwt.decode(good, options={"verify_signature": False})
    reader = api.app.state.resources.reader
    asked: list[str] = []
    real = reader.one

    async def one(function: Any, *arguments: Any) -> Any:
        asked.append(function)
        return await real(function, *arguments)

    monkeypatch.setattr(reader, "one", one)
    async with api.client() as client:
        bodies = set()
        for kind, token in forgeries(claims, good).items():
            answer = await client.get(ME, headers=bearer(token))
            assert answer.status_code == 401, kind
            bodies.add(json.dumps({name: value for name, value in answer.json().items() if name != "request_id"}))
        assert (len(bodies), asked) == (1, [])
        signed = by_hand(claims, SECRET.encode())
        assert (await client.get(ME, headers=bearer(signed))).status_code == 200, "the control: signed by us, it counts"
        assert asked != []


async def test_a_session_of_somebody_else_ends_a_token(api: Api, ours: dict[str, str]) -> None:
    claims = jwt.decode(api.token(api.a), options={"verify_signature": False})
    async with api.client() as client:
        for who, session, status in (("owner", ours["session_id"], 200), ("member", ours["session_id"], 401)):
            values = claims | {"sub": api.a.users[who], "sid": session}
            token = jwt.encode(values, SECRET, algorithm="HS256", headers={"kid": KID})
            assert (await client.get(ME, headers=bearer(token))).status_code == status
