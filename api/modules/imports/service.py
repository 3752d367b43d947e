"""What people do with imports: send a file, map it, start, stop, take back. The run itself is the importer's matter."""

from collections.abc import AsyncIterable, AsyncIterator

from api.dependencies.work import WriteContext
from api.modules.batch.kinds import KINDS
from api.modules.imports.errors import BadFile, MayNotWrite, NotNow
from api.modules.imports.files import EncodingGuess, shape_of
from api.modules.imports.reading import check
from api.modules.imports.repository import ImportRepository
from api.modules.imports.schemas import Mapping
from api.records.trail import Trail
from bevyly.db.schema import Import
from bevyly.ids import new_id

CHUNK_BYTES = 512 * 1024
_MAPS_FROM = ("uploaded", "mapped", "checked")
_STARTS_FROM = ("mapped", "checked")
_STOPS_FROM = ("uploaded", "mapped", "checked", "queued", "running")
_REVERTS_FROM = ("done", "failed", "cancelled")


class ImportService:
    """Imports of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.context = context
        self.customer_id = context.principal.customer_id
        self.session = context.work.session
        self.trail = Trail(context)
        self.imports = ImportRepository(self.session, self.customer_id)

    async def upload(self, kind: str, filename: str | None, parts: AsyncIterable[bytes]) -> Import:
        """Store a file as it arrives, part by part; raises `BadFile`."""
        guess, size, head = EncodingGuess(), 0, b""
        row = Import(customer_id=self.customer_id, id=new_id(), kind=kind, filename=filename)
        row.size_bytes, row.encoding, row.delimiter, row.has_header, row.columns = 0, "", ",", True, []
        row.created_by, row.created_at, row.updated_at = self.context.principal.user_id, self.trail.now, self.trail.now
        await self.context.work.insert(row)
        number = 0
        async for chunk in _in_chunks(parts):
            guess.feed(chunk, last=False)
            head = head or chunk
            size += len(chunk)
            await self.imports.add_chunk(row.id, number, chunk)
            number += 1
        if size == 0:
            raise BadFile("The file is empty.")
        guess.feed(b"", last=True)
        shape = shape_of(head, guess.encoding)
        row.size_bytes, row.encoding, row.delimiter = size, shape.encoding, shape.delimiter
        row.has_header, row.columns = shape.has_header, shape.columns
        self._note("uploaded", row)
        return row

    async def map(self, import_id: str, mapping: Mapping) -> Import:
        """Say what the columns are; raises `BadMapping`."""
        row = await self._locked(import_id, _MAPS_FROM)
        check(mapping, row.kind, row.columns)
        row.mapping = mapping.model_dump(mode="json")
        self._move(row, "mapped")
        return row

    async def start(self, import_id: str, *, dry_run: bool) -> Import:
        """Let the importer have it."""
        row = await self._locked(import_id, _STARTS_FROM)
        await self.imports.forget_failures(row.id)
        row.dry_run, row.rows_done, row.counts, row.error = dry_run, 0, {}, None
        row.started_at = row.finished_at = row.leased_until = row.lease = row.told_at = None
        row.attempts = 0
        self._move(row, "queued")
        self._note("started", row)
        return row

    async def cancel(self, import_id: str) -> Import:
        """Stop before the next part; what was done so far stays, and can be taken back."""
        row = await self._locked(import_id, _STOPS_FROM)
        self._move(row, "cancelled")
        row.finished_at, row.lease, row.leased_until = self.trail.now, None, None
        self._note("cancelled", row)
        return row

    async def revert(self, import_id: str) -> Import:
        """Let the importer take back what the import did."""
        row = await self._locked(import_id, _REVERTS_FROM, "write", "delete")
        row.lease, row.leased_until, row.attempts, row.finished_at = None, None, 0, None
        self._move(row, "reverting")
        self._note("reverted", row)
        return row

    async def _locked(self, import_id: str, states: tuple[str, ...], *actions: str) -> Import:
        row = await self.imports.lock(import_id)
        for action in actions or ("write",):
            self._require(f"{KINDS[row.kind].plural}:{action}")
        if row.status not in states:
            raise NotNow(f"An import that is {row.status} cannot do this.", import_status=row.status)
        return row

    def _require(self, permission: str) -> None:
        if permission not in self.context.principal.permissions:
            raise MayNotWrite(f"This needs the permission {permission}.", permission=permission)

    def _move(self, row: Import, status: str) -> None:
        row.status, row.updated_at = status, self.trail.now
        row.version += 1

    def _note(self, action: str, row: Import) -> None:
        after = {"kind": row.kind, "filename": row.filename, "dry_run": row.dry_run}
        self.trail.audit(f"import.{action}", ("import", row.id), after=after)


async def _in_chunks(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    held = bytearray()
    async for part in parts:
        held += part
        while len(held) >= CHUNK_BYTES:
            yield bytes(held[:CHUNK_BYTES])
            del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)
