// The original document's stack, written as its pages show it: Hono, Zod, jose, Drizzle, the tenant set in a transaction.
// It answers the four questions of the benchmark as Bevyly does, from the same tables under the same row-level security.
import { serve } from "@hono/node-server";
import { zValidator } from "@hono/zod-validator";
import { and, desc, eq, getTableColumns, isNull, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { Hono } from "hono";
import { jwtVerify } from "jose";
import postgres from "postgres";
import { v7 as uuidv7 } from "uuid";
import { z } from "zod";
import { accounts, audit, briefings, outbox } from "./tables.js";

const { DATABASE_URL, JWT_SECRET, PORT } = process.env;
if (!DATABASE_URL || !JWT_SECRET || !PORT) throw new Error("DATABASE_URL, JWT_SECRET and PORT must be set");

const db = drizzle(postgres(DATABASE_URL, { max: 8, connection: { role: "bevyly_app" } as Record<string, string> }));
const secret = new TextEncoder().encode(JWT_SECRET);
type Transaction = Parameters<Parameters<typeof db.transaction>[0]>[0];
type Who = { Variables: { tenantId: string; userId: string; permissions: string[] } };

const { customer_id: _, deleted_at: __, ...shown } = getTableColumns(accounts);

function forTenant<T>(tenantId: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select set_config('bevyly.customer_id', ${tenantId}, true)`);
    return work(tx);
  });
}

const app = new Hono<Who>();

app.use(async (c, next) => {
  const token = c.req.header("authorization")?.slice("Bearer ".length);
  try {
    const { payload } = await jwtVerify(token ?? "", secret, { issuer: "bevyly", algorithms: ["HS256"] });
    c.set("tenantId", payload.cid as string);
    c.set("userId", payload.sub as string);
    c.set("permissions", payload.permissions as string[]);
  } catch {
    return c.json({ code: "unauthorized" }, 401);
  }
  await next();
});

const may = (permission: string) =>
  async (c: { get: (name: "permissions") => string[]; json: (body: unknown, status: 403) => Response }, next: () => Promise<void>) => {
    if (!c.get("permissions").includes(permission)) return c.json({ code: "forbidden" }, 403);
    await next();
  };

app.get("/api/v1/accounts", may("accounts:read"), async (c) => {
  const limit = 50;
  const rows = await forTenant(c.get("tenantId"), (tx) =>
    tx.select(shown).from(accounts)
      .where(and(eq(accounts.customer_id, c.get("tenantId")), isNull(accounts.deleted_at)))
      .orderBy(desc(accounts.created_at), desc(accounts.id))
      .limit(limit + 1),
  );
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  const cursor = last ? Buffer.from(`${last.created_at}:${last.id}`).toString("base64url") : null;
  return c.json({ data: rows.slice(0, limit), page: { next_cursor: cursor, limit } });
});

app.get("/api/v1/accounts/:id", may("accounts:read"), async (c) => {
  const [row] = await forTenant(c.get("tenantId"), (tx) =>
    tx.select(shown).from(accounts)
      .where(and(eq(accounts.customer_id, c.get("tenantId")), eq(accounts.id, c.req.param("id")), isNull(accounts.deleted_at)))
      .limit(1),
  );
  if (!row) return c.json({ code: "not_found" }, 404);
  c.header("etag", `"${row.version}"`);
  return c.json(row);
});

const createAccount = z.strictObject({
  name: z.string().min(1).max(255),
  domain: z.string().max(255).optional(),
  industry: z.string().max(100).optional(),
  employee_count: z.int().min(0).max(2 ** 31 - 1).optional(),
});

app.post("/api/v1/accounts", may("accounts:write"), zValidator("json", createAccount), async (c) => {
  const body = c.req.valid("json");
  const [tenantId, userId, id, now] = [c.get("tenantId"), c.get("userId"), uuidv7(), new Date().toISOString()];
  const row = await forTenant(tenantId, async (tx) => {
    const [created] = await tx.insert(accounts).values({
      customer_id: tenantId, id, name: body.name, domain: body.domain, industry: body.industry,
      employee_count: body.employee_count, owner_id: userId, created_at: now, updated_at: now,
    }).returning(shown);
    await tx.insert(audit).values({
      customer_id: tenantId, id: uuidv7(), actor_type: "user", actor_id: userId, action: "account.created",
      entity_type: "account", entity_id: id, after: body, occurred_at: now,
    });
    const eventId = uuidv7();
    const envelope = JSON.stringify({
      id: eventId, type: "account.created", source: "peer", subject: `account/${id}`, tenantid: tenantId, sequence: 1,
      time: now, recordedtime: now, schemaversion: 1, specversion: "1.0", datacontenttype: "application/json",
      data: { account_id: id, owner_id: userId, ...body },
    });
    await tx.insert(outbox).values({ customer_id: tenantId, eventId, topic: "bevyly.domain", envelope });
    return created!;
  });
  c.header("etag", `"${row.version}"`);
  c.header("location", `/api/v1/accounts/${id}`);
  return c.json(row, 201);
});

app.get("/api/v1/intent/briefing", may("intent:read"), async (c) => {
  const [row] = await forTenant(c.get("tenantId"), (tx) =>
    tx.select({ document: briefings.document, etag: briefings.etag }).from(briefings)
      .where(and(eq(briefings.customer_id, c.get("tenantId")), eq(briefings.user_id, c.get("userId"))))
      .orderBy(desc(briefings.version))
      .limit(1),
  );
  if (!row) return c.json({ code: "not_found" }, 404);
  const etag = `"${row.etag}"`;
  c.header("etag", etag);
  if (c.req.header("if-none-match") === etag) return c.body(null, 304);
  return c.body(row.document, 200, { "content-type": "application/json" });
});

serve({ fetch: app.fetch, port: Number(PORT), hostname: "127.0.0.1" });
