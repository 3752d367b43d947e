// The client: one function, typed by the document. `schema.d.ts` is generated beside it.
import createClient, { type Client } from "openapi-fetch";
import type { paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** A client that asks `baseUrl` with an access token or an API key. */
export function createBevylyClient(baseUrl: string, credential: { token: string } | { apiKey: string }): Client<paths> {
  const headers: Record<string, string> =
    "token" in credential ? { Authorization: `Bearer ${credential.token}` } : { "X-API-Key": credential.apiKey };
  return createClient<paths>({ baseUrl, headers });
}
