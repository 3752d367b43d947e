// The tables that are asked, as Drizzle knows them: the columns of Bevyly's own.
import { bigint, integer, jsonb, pgTable, text, timestamp, varchar } from "drizzle-orm/pg-core";

const id = (name: string) => varchar(name, { length: 36 });
const instant = (name: string) => timestamp(name, { withTimezone: true, mode: "string" });

export const accounts = pgTable("accounts", {
  customer_id: id("customer_id").notNull(),
  id: id("id").notNull(),
  name: varchar("name", { length: 255 }).notNull(),
  domain: varchar("domain", { length: 255 }),
  industry: varchar("industry", { length: 100 }),
  employee_count: integer("employee_count"),
  annual_revenue_minor: bigint("annual_revenue_minor", { mode: "number" }),
  currency: varchar("currency", { length: 3 }),
  country: varchar("country", { length: 100 }),
  city: varchar("city", { length: 100 }),
  owner_id: id("owner_id"),
  tags: text("tags").array().notNull().default([]),
  version: integer("version").notNull().default(1),
  external_id: varchar("external_id", { length: 255 }),
  custom: jsonb("custom").notNull().default({}),
  deleted_at: instant("deleted_at"),
  created_at: instant("created_at").notNull(),
  updated_at: instant("updated_at").notNull(),
});

export const audit = pgTable("audit", {
  customer_id: id("customer_id").notNull(),
  id: id("id").notNull(),
  actor_type: varchar("actor_type", { length: 50 }).notNull(),
  actor_id: id("actor_id"),
  action: varchar("action", { length: 50 }).notNull(),
  entity_type: varchar("entity_type", { length: 50 }).notNull(),
  entity_id: id("entity_id").notNull(),
  after: jsonb("after"),
  occurred_at: instant("occurred_at").notNull(),
});

export const outbox = pgTable("outbox", {
  customer_id: id("customer_id").notNull(),
  eventId: id("event_id").notNull(),
  topic: varchar("topic", { length: 100 }).notNull(),
  envelope: text("envelope").notNull(),
});

export const briefings = pgTable("briefings", {
  customer_id: id("customer_id").notNull(),
  user_id: id("user_id").notNull(),
  version: integer("version").notNull(),
  document: text("document").notNull(),
  etag: varchar("etag", { length: 64 }).notNull(),
});
