"""The group's states, one step at a time; what clients see of them is in the behaviour suite."""

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.groups import Group, Joining, MemberIdRequired, State


def joining(member_id: str = "", *, instance: str | None = None, protocols: tuple[str, ...] = ("range",)) -> Joining:
    return Joining(
        member_id=member_id,
        instance_id=instance,
        client_id="client",
        client_host="/127.0.0.1",
        session_seconds=30.0,
        rebalance_seconds=30.0,
        protocol_type="consumer",
        protocols=[(name, b"m") for name in protocols],
        knows_member_id_required=instance is None,
    )


async def enter(group: Group, **preferences: tuple[str, ...]) -> str:
    """Ask for an id and start to join under it; others have to join again for the round to end."""
    with pytest.raises(MemberIdRequired) as named:
        await group.join(joining(**preferences))
    return named.value.member_id


async def settled(group: Group, *members: str) -> None:
    """Bring all of `members` through one round."""
    await asyncio.gather(*(group.join(joining(member)) for member in members))
    await asyncio.gather(
        *(group.sync(member, None, group.generation, {name: name.encode() for name in members}) for member in members)
    )


async def test_a_first_member_leads_and_assigns() -> None:
    group = Group("g")
    member = await enter(group)
    await settled(group, member)
    assert (group.state, group.leader, group.generation) == (State.STABLE, member, 1)
    assert await group.sync(member, None, 1, {}) == member.encode()


async def test_a_newcomer_starts_a_round_that_waits_for_everyone() -> None:
    group = Group("g")
    first = await enter(group)
    await settled(group, first)
    second = await enter(group)
    arriving = asyncio.create_task(group.join(joining(second)))
    await asyncio.sleep(0)
    with pytest.raises(Refused) as told:
        group.heartbeat(first, None, 1)
    assert told.value.code is ErrorCode.rebalance_in_progress
    assert not arriving.done()
    await group.join(joining(first))
    await arriving
    assert (group.generation, group.leader, len(group.members)) == (2, first, 2)


async def test_the_next_member_leads_when_the_leader_leaves() -> None:
    group = Group("g")
    first, second = await enter(group), await enter(group)
    await settled(group, first, second)
    leader = group.leader
    (other,) = {first, second} - {leader}
    group.leave(leader, None)
    await settled(group, other)
    assert (group.leader, list(group.members)) == (other, [other])
    group.leave(other, None)
    assert group.state is State.EMPTY


async def test_a_follower_that_repeats_itself_causes_no_round() -> None:
    group = Group("g")
    first, second = await enter(group), await enter(group)
    await settled(group, first, second)
    (follower,) = {first, second} - {group.leader}
    await group.join(joining(follower))
    assert (group.state, group.generation) == (State.STABLE, 1)


async def test_the_protocol_is_one_that_all_speak() -> None:
    group = Group("g")
    first = await enter(group, protocols=("sticky", "range"))
    await group.join(joining(first, protocols=("sticky", "range")))
    assert group.protocol == "sticky"
    with pytest.raises(Refused) as refused:
        await group.join(joining(protocols=("other",)))
    assert refused.value.code is ErrorCode.inconsistent_group_protocol


async def test_a_static_member_returns_in_place_of_its_former_self() -> None:
    group = Group("g")
    old = await group.join(joining(instance="worker-1"))
    new = await group.join(joining(instance="worker-1"))
    assert list(group.members) == [new.id]
    with pytest.raises(Refused) as fenced:
        group.heartbeat(old.id, "worker-1", group.generation)
    assert fenced.value.code is ErrorCode.fenced_instance_id


async def test_an_expired_member_makes_room() -> None:
    group = Group("g")
    first, second = await enter(group), await enter(group)
    await settled(group, first, second)
    group._expire(group.members[second])
    assert (group.state, list(group.members)) == (State.PREPARING, [first])
