"""Consumers that come, stay and go: JoinGroup, SyncGroup, Heartbeat, LeaveGroup."""

from typing import Any

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import Broker
from bevyly.runtime.broker.codec import Answer, Request
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.groups import NO_GENERATION, Group, Joining, MemberIdRequired
from bevyly.runtime.broker.members import Member

MEMBER_ID_REQUIRED_SINCE = 4


async def join(broker: Broker, request: Request) -> Answer:
    body = request.body
    try:
        group = broker.groups.get(body.group_id)
        member = await group.join(_joining(request))
    except Refused as refused:
        member_id = refused.member_id if isinstance(refused, MemberIdRequired) else body.member_id
        return {
            "error_code": refused.code,
            "generation_id": NO_GENERATION,
            "protocol_name": "",
            "leader": "",
            "member_id": member_id,
        }
    return {
        "error_code": ErrorCode.none,
        "generation_id": group.generation,
        "protocol_type": group.protocol_type,
        "protocol_name": group.protocol,
        "leader": group.leader,
        "member_id": member.id,
        "members": _members(group) if member.id == group.leader else [],
    }


async def sync(broker: Broker, request: Request) -> Answer:
    body = request.body
    assignments = {entry.member_id: bytes(entry.assignment) for entry in body.assignments}
    try:
        group = broker.groups.get(body.group_id)
        assignment = await group.sync(body.member_id, _instance(body), body.generation_id, assignments)
    except Refused as refused:
        return {"error_code": refused.code, "assignment": b""}
    return {
        "error_code": ErrorCode.none,
        "protocol_type": group.protocol_type,
        "protocol_name": group.protocol,
        "assignment": assignment,
    }


async def heartbeat(broker: Broker, request: Request) -> Answer:
    body = request.body
    try:
        broker.groups.get(body.group_id).heartbeat(body.member_id, _instance(body), body.generation_id)
    except Refused as refused:
        return {"error_code": refused.code}
    return {"error_code": ErrorCode.none}


async def leave(broker: Broker, request: Request) -> Answer:
    """Before version 3 one member leaves and the error is the answer's; since then each has its own."""
    body = request.body
    leaving = getattr(body, "members", None)
    answers = [_leave(broker, body.group_id, member) for member in (leaving if leaving is not None else [body])]
    alone = leaving is None
    return {"error_code": answers[0]["error_code"] if alone else ErrorCode.none, "members": answers}


def _leave(broker: Broker, group: str, member: Any) -> Answer:
    code = ErrorCode.none
    try:
        broker.groups.get(group).leave(member.member_id, _instance(member))
    except Refused as refused:
        code = refused.code
    return {"member_id": member.member_id, "group_instance_id": _instance(member), "error_code": code}


def _joining(request: Request) -> Joining:
    body = request.body
    session = body.session_timeout.total_seconds()
    rebalance = getattr(body, "rebalance_timeout", None)
    return Joining(
        member_id=body.member_id,
        instance_id=_instance(body),
        client_id=request.client_id,
        client_host=request.client_host,
        session_seconds=session,
        rebalance_seconds=rebalance.total_seconds() if rebalance is not None else session,
        protocol_type=body.protocol_type,
        protocols=[(protocol.name, bytes(protocol.metadata)) for protocol in body.protocols],
        knows_member_id_required=request.version >= MEMBER_ID_REQUIRED_SINCE,
    )


def _members(group: Group) -> list[Answer]:
    return [_described(member, group.protocol) for member in group.members.values()]


def _described(member: Member, protocol: str) -> Answer:
    return {
        "member_id": member.id,
        "group_instance_id": member.instance_id,
        "metadata": member.metadata(protocol),
    }


def _instance(entry: Any) -> str | None:
    return getattr(entry, "group_instance_id", None)
