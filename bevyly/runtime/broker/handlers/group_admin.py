"""Groups seen from outside: DescribeGroups, ListGroups, DeleteGroups."""

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import Broker
from bevyly.runtime.broker.codec import Answer, Request
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.groups import Group

CLASSIC = "classic"
DEAD = "Dead"


async def describe(broker: Broker, request: Request) -> Answer:
    return {"groups": [_described(name, broker.groups.find(name)) for name in request.body.groups]}


def _described(name: str, group: Group | None) -> Answer:
    found = {"error_code": ErrorCode.none, "group_id": name, "protocol_type": "", "protocol_data": ""}
    if group is None:
        return found | {"group_state": DEAD}
    return found | {
        "group_state": str(group.state),
        "protocol_type": group.protocol_type,
        "protocol_data": group.protocol,
        "members": [
            {
                "member_id": member.id,
                "group_instance_id": member.instance_id,
                "client_id": member.client_id,
                "client_host": member.client_host,
                "member_metadata": member.metadata(group.protocol),
                "member_assignment": member.assignment,
            }
            for member in group.members.values()
        ],
    }


async def list_groups(broker: Broker, request: Request) -> Answer:
    states = {state.lower() for state in getattr(request.body, "states_filter", ())}
    types = {kind.lower() for kind in getattr(request.body, "types_filter", ())}
    return {
        "error_code": ErrorCode.none,
        "groups": [
            {
                "group_id": group.name,
                "protocol_type": group.protocol_type,
                "group_state": str(group.state),
                "group_type": CLASSIC,
            }
            for group in broker.groups.all()
            if (not states or str(group.state).lower() in states) and (not types or CLASSIC in types)
        ],
    }


async def delete(broker: Broker, request: Request) -> Answer:
    return {"results": [{"group_id": name, "error_code": _delete(broker, name)} for name in request.body.groups_names]}


def _delete(broker: Broker, name: str) -> ErrorCode:
    try:
        broker.groups.remove(name)
    except Refused as refused:
        return refused.code
    broker.offsets.remove(list(broker.offsets.of_group(name)))
    return ErrorCode.none
