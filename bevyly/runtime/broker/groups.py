"""Consumer groups, classic protocol: who is a member, who assigns, when to rebalance.

The states and answers are those of Apache Kafka's GroupMetadataManager for classic groups. Offsets are kept elsewhere.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.members import Member, settle

NO_GENERATION = -1
MIN_SESSION_SECONDS = 6.0
MAX_SESSION_SECONDS = 1_800.0


class State(StrEnum):
    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """What a JoinGroup request says."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_seconds: float
    rebalance_seconds: float
    protocol_type: str
    protocols: list[tuple[str, bytes]]
    knows_member_id_required: bool


class Group:
    def __init__(self, name: str) -> None:
        self.name = name
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type = ""
        self.protocol = ""
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._expected: dict[str, asyncio.TimerHandle] = {}
        self._rebalance_timer: asyncio.TimerHandle | None = None

    @property
    def in_use(self) -> bool:
        return bool(self.members or self._expected)

    async def join(self, request: Joining) -> Member:
        """Returns when the member belongs to a new generation."""
        self._check_join(request)
        member = self._admit(request)
        if self._keeps_generation(member, request):
            self._touch(member)
            return member
        settle(member.joining, Refused(ErrorCode.rebalance_in_progress))
        member.protocols = request.protocols
        member.joining = asyncio.get_running_loop().create_future()
        waiter = member.joining
        member.stop_clock()
        self._prepare_rebalance()
        self._complete_join_when_all_are_here()
        await waiter
        return member

    async def sync(
        self, member_id: str, instance_id: str | None, generation: int, assignments: dict[str, bytes]
    ) -> bytes:
        """Returns the member's assignment, once the leader has sent it."""
        member = self.member(member_id, instance_id, generation)
        if self.state is State.PREPARING:
            raise Refused(ErrorCode.rebalance_in_progress)
        self._touch(member)
        if self.state is State.COMPLETING:
            if member_id == self.leader:
                self._distribute(assignments)
            else:
                member.syncing = waiter = asyncio.get_running_loop().create_future()
                await waiter
        return member.assignment

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int) -> None:
        self._touch(self.member(member_id, instance_id, generation))
        if self.state is State.PREPARING:
            raise Refused(ErrorCode.rebalance_in_progress)

    def leave(self, member_id: str, instance_id: str | None) -> None:
        pending = self._expected.pop(member_id, None)
        if pending is not None:
            pending.cancel()
            self._complete_join_when_all_are_here()
            return
        if not member_id and instance_id is not None:
            member_id = self._instance(instance_id) or ""
        self._remove(self._known(member_id, instance_id))

    def check_commit(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """Raise Refused unless this committer may store offsets now."""
        if generation < 0 and not self.members:
            return
        self._touch(self.member(member_id, instance_id, generation))
        if self.state is State.COMPLETING:
            raise Refused(ErrorCode.rebalance_in_progress)

    def member(self, member_id: str, instance_id: str | None, generation: int) -> Member:
        member = self._known(member_id, instance_id)
        if generation != self.generation:
            raise Refused(ErrorCode.illegal_generation)
        return member

    def _known(self, member_id: str, instance_id: str | None) -> Member:
        if instance_id is not None and self._instance(instance_id) not in (None, member_id):
            raise Refused(ErrorCode.fenced_instance_id)
        if member_id not in self.members:
            raise Refused(ErrorCode.unknown_member_id)
        return self.members[member_id]

    def _instance(self, instance_id: str) -> str | None:
        return next((m.id for m in self.members.values() if m.instance_id == instance_id), None)

    def _check_join(self, request: Joining) -> None:
        if not MIN_SESSION_SECONDS <= request.session_seconds <= MAX_SESSION_SECONDS:
            raise Refused(ErrorCode.invalid_session_timeout)
        others = [member for member in self.members.values() if member.id != request.member_id]
        names = {name for name, _ in request.protocols}
        for other in others:
            names &= {name for name, _ in other.protocols}
        if not request.protocol_type or not names or (others and request.protocol_type != self.protocol_type):
            raise Refused(ErrorCode.inconsistent_group_protocol)

    def _admit(self, request: Joining) -> Member:
        """The member that this request speaks for, new or known."""
        if request.member_id:
            return self._readmit(request)
        previous = self._instance(request.instance_id) if request.instance_id else None
        if previous is not None:
            replaced = self.members.pop(previous)
            replaced.stop_clock()
            replaced.release(Refused(ErrorCode.fenced_instance_id))
        member_id = f"{request.instance_id or request.client_id}-{uuid.uuid4()}"
        if request.knows_member_id_required and request.instance_id is None:
            self._expect(member_id, request.session_seconds)
            raise MemberIdRequired(member_id)
        return self._add(member_id, request)

    def _readmit(self, request: Joining) -> Member:
        pending = self._expected.pop(request.member_id, None)
        if pending is None:
            return self._known(request.member_id, request.instance_id)
        pending.cancel()
        return self._add(request.member_id, request)

    def _add(self, member_id: str, request: Joining) -> Member:
        member = Member(
            member_id,
            request.instance_id,
            request.client_id,
            request.client_host,
            request.session_seconds,
            request.rebalance_seconds,
            request.protocols,
        )
        self.members[member_id] = member
        self.protocol_type = request.protocol_type
        return member

    def _expect(self, member_id: str, seconds: float) -> None:
        def give_up() -> None:
            self._expected.pop(member_id, None)
            self._complete_join_when_all_are_here()

        self._expected[member_id] = asyncio.get_running_loop().call_later(seconds, give_up)

    def _keeps_generation(self, member: Member, request: Joining) -> bool:
        """A member that repeats itself needs no rebalance: its answer was lost, or it is a follower."""
        is_new = member.expiry is None
        if is_new or member.protocols != request.protocols:
            return False
        return self.state is State.COMPLETING or (self.state is State.STABLE and member.id != self.leader)

    def _prepare_rebalance(self) -> None:
        if self.state is State.PREPARING:
            return
        for member in self.members.values():
            settle(member.syncing, Refused(ErrorCode.rebalance_in_progress))
            member.syncing = None
        self.state = State.PREPARING
        patience = max((member.rebalance_seconds for member in self.members.values()), default=0.0)
        self._rebalance_timer = asyncio.get_running_loop().call_later(patience, self._complete_join)

    def _complete_join_when_all_are_here(self) -> None:
        if self.state is State.PREPARING and not self._expected and all(m.joining for m in self.members.values()):
            self._complete_join()

    def _complete_join(self) -> None:
        """Close the round: whoever did not join again is out."""
        if self._rebalance_timer is not None:
            self._rebalance_timer.cancel()
        for absent in [member for member in self.members.values() if member.joining is None]:
            absent.stop_clock()
            del self.members[absent.id]
        self.generation += 1
        if not self.members:
            self.state, self.leader, self.protocol = State.EMPTY, "", ""
            return
        if self.leader not in self.members:
            self.leader = next(iter(self.members))
        self.protocol = self._chosen_protocol()
        self.state = State.COMPLETING
        for member in self.members.values():
            member.assignment = b""
            member.release()
            self._touch(member)

    def _chosen_protocol(self) -> str:
        """The leader's first preference that every member speaks."""
        common = set.intersection(*({name for name, _ in member.protocols} for member in self.members.values()))
        return next(name for name, _ in self.members[self.leader].protocols if name in common)

    def _distribute(self, assignments: dict[str, bytes]) -> None:
        self.state = State.STABLE
        for member in self.members.values():
            member.assignment = assignments.get(member.id, b"")
            member.release()

    def _touch(self, member: Member) -> None:
        member.stop_clock()
        member.expiry = asyncio.get_running_loop().call_later(member.session_seconds, self._expire, member)

    def _expire(self, member: Member) -> None:
        if member.waiting:
            self._touch(member)
        elif self.members.get(member.id) is member:
            self._remove(member)

    def _remove(self, member: Member) -> None:
        member.stop_clock()
        member.release(Refused(ErrorCode.unknown_member_id))
        del self.members[member.id]
        self._prepare_rebalance()
        self._complete_join_when_all_are_here()


class MemberIdRequired(Refused):
    """A new member has to join again under the id that it was given (KIP-394)."""

    def __init__(self, member_id: str) -> None:
        super().__init__(ErrorCode.member_id_required)
        self.member_id = member_id


class Groups:
    def __init__(self, with_offsets: Callable[[], set[str]]) -> None:
        self._groups: dict[str, Group] = {}
        self._with_offsets = with_offsets

    def get(self, name: str) -> Group:
        """The group, made when it is new."""
        if not name:
            raise Refused(ErrorCode.invalid_group_id)
        return self._groups.setdefault(name, Group(name))

    def find(self, name: str) -> Group | None:
        """The group, or None when it has neither members nor offsets."""
        group = self._groups.get(name)
        return self.get(name) if group is None and name in self._with_offsets() else group

    def all(self) -> list[Group]:
        """Every group that has members or offsets."""
        self.forget_unused()
        return [self.get(name) for name in sorted(self._with_offsets() | set(self._groups))]

    def active(self) -> set[str]:
        return {group.name for group in self._groups.values() if group.members}

    def remove(self, name: str) -> None:
        group = self.find(name)
        if group is None:
            raise Refused(ErrorCode.group_id_not_found)
        if group.members:
            raise Refused(ErrorCode.non_empty_group)
        self._groups.pop(name, None)

    def forget_unused(self) -> None:
        """Drop groups that have neither members nor offsets, so that memory stays bounded."""
        kept = self._with_offsets()
        self._groups = {name: group for name, group in self._groups.items() if group.in_use or name in kept}
