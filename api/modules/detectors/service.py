"""What people do with detectors: mute one, have one heard, leave it to the rule."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.detectors.catalogue import SIGNAL_TYPES, described
from api.modules.detectors.repository import DetectorRepository
from api.modules.intent.service import IntentService
from api.records.repository import missing
from api.records.trail import Trail


class DetectorService:
    """Detectors of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.detectors = DetectorRepository(context.work.session, context.principal.customer_id)

    async def change(self, signal_type: str, *, muted: bool | None, reason: str | None) -> dict[str, Any]:
        """The detector after the word of a person, which goes before the rule; None takes it back. Raises `NotFound`.

        The same again changes nothing. Briefings follow with the next refresh, which is asked for.
        """
        if signal_type not in SIGNAL_TYPES:
            raise missing("detector")
        before = (await self.detectors.state())["overrides"].get(signal_type)
        said = before and {"muted": before["muted"], "reason": before["reason"]}
        wanted = None if muted is None else {"muted": muted, "reason": reason}
        if said != wanted:
            await self._write(signal_type, muted=muted, reason=reason)
            nothing = {"muted": None, "reason": None}
            subject = ("detector", signal_type)
            self.trail.audit("detector.overridden", subject, before=said or nothing, after=wanted or nothing)
            IntentService(self.context).request_briefing("a detector was muted or is heard again")
        (found,) = described(await self.detectors.state(), only=signal_type)
        return found

    async def _write(self, signal_type: str, *, muted: bool | None, reason: str | None) -> None:
        if muted is None:
            await self.detectors.take_back(signal_type)
        else:
            user_id = self.context.principal.user_id
            await self.detectors.set(signal_type, muted=muted, reason=reason, user_id=user_id, now=self.trail.now)
