// What a stranger would try first, against a running API: node dist/smoke.js URL TOKEN
import { createBevylyClient, type components } from "./client.js";

const [url, token] = process.argv.slice(2);
if (url === undefined || token === undefined) throw new Error("usage: smoke.js URL TOKEN");
const client = createBevylyClient(url, { token });

const lead: components["schemas"]["LeadCreate"] = { company_name: "Glass & Co", contact_email: "gia@glass.example" };
const created = await client.POST("/api/v1/leads", { body: lead });
if (created.error !== undefined) throw new Error(JSON.stringify(created.error));

const read = await client.GET("/api/v1/leads/{lead_id}", { params: { path: { lead_id: created.data.id } } });
if (read.data?.company_name !== "Glass & Co") throw new Error("what was written is not what is read");

const page = await client.GET("/api/v1/leads", { params: { query: { limit: 1, q: "Glass" } } });
if (page.data?.data[0]?.id !== created.data.id) throw new Error("the list does not have it");

const missing = await client.GET("/api/v1/leads/{lead_id}", { params: { path: { lead_id: "nothing" } } });
if (missing.error?.code !== "not_found") throw new Error("a missing lead is no problem");

console.log(JSON.stringify({ id: created.data.id, version: read.data.version }));
