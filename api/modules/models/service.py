"""What people do with model versions: put another one in use, above all an earlier one."""

from api.dependencies.work import WriteContext
from api.modules.intent.service import IntentService
from api.modules.models.repository import ModelRepository
from api.records.repository import missing
from api.records.trail import Trail
from bevyly.ids import is_id


class ModelService:
    """Versions of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.trail = Trail(context)
        self.models = ModelRepository(context.work.session, context.principal.customer_id)

    async def promote(self, model_id: str, reason: str) -> bytes:
        """Put a version in use; what is in use already stays so. Raises `NotFound`, also for pooled versions.

        Scores follow with the next refresh, which is asked for; what they may be shown as follows at once.
        """
        if not is_id(model_id):
            raise missing("model")
        principal = self.context.principal
        row = await self.models.promote(
            model_id, reason=reason, actor=(principal.actor_type, principal.actor_id), now=self.trail.now
        )
        if row.kind is None:
            raise missing("model")
        if row.changed:
            self.trail.audit(
                "model.promoted",
                ("model_version", model_id),
                before={"model_version_id": row.previous},
                after={"model_version_id": model_id, "score_type": row.kind, "reason": reason},
            )
            IntentService(self.context).request_briefing("another model version is in use")
        return await self.models.rendered(model_id)
