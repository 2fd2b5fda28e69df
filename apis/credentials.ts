/** API keys of apps and tokens of devices: make, list, revoke. A secret is shown once, in the answer that made it. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { deviceIdPattern } from "../core/device/registration.ts";
import type { CredentialSummary } from "../ports/credentials/port.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem } from "./problem.ts";
import { answer, body, iso, noParameters, parameters, plainText, problems, Timestamp } from "./route.ts";

const kind = z.enum(["device", "app"]);
const subject = plainText(128).min(1);

const NewCredential = z
  .strictObject({ kind, subject })
  .refine((credential) => credential.kind === "app" || deviceIdPattern.test(credential.subject), {
    path: ["subject"],
    error: "of a device credential is the device's id: 1 to 128 of a-z A-Z 0-9 : _ -",
  })
  .openapi("NewCredential", {
    description: "`subject` is the device's id, or a name for the app",
    example: { kind: "device", subject: "pump-4" },
  });

const example = {
  id: "0195a1f0",
  kind: "device" as const,
  subject: "pump-4",
  createdAt: "2026-11-21T12:00:00.000Z",
  revokedAt: null,
};

const CredentialView = z
  .object({ id: z.string(), kind, subject: z.string(), createdAt: Timestamp, revokedAt: Timestamp.nullable() })
  .openapi("Credential", { example });

const CreatedCredential = CredentialView.extend({
  secret: z.string().openapi({ description: "Shown this once: what is stored is its hash" }),
}).openapi("CreatedCredential", { example: { ...example, secret: "q2X…" } });

const CredentialList = z
  .object({ items: z.array(CredentialView) })
  .openapi("CredentialList", { example: { items: [example] } });

const createCredential = createRoute({
  method: "post",
  path: "/v1/credentials",
  tags: ["Credentials"],
  summary: "Make an API key for an app or a token for a device",
  request: { query: noParameters, body: body(NewCredential) },
  responses: { 201: answer("The credential with its secret", CreatedCredential), ...problems(413, 415) },
});

const listCredentials = createRoute({
  method: "get",
  path: "/v1/credentials",
  tags: ["Credentials"],
  summary: "List credentials, without secrets",
  request: { query: parameters({ kind: kind.optional(), subject: subject.optional() }) },
  responses: { 200: answer("The credentials", CredentialList), ...problems() },
});

const revokeCredential = createRoute({
  method: "delete",
  path: "/v1/credentials/{id}",
  tags: ["Credentials"],
  summary: "Revoke a credential; the connections of its device or app are closed",
  request: {
    params: z.object({
      id: z
        .string()
        .max(128)
        .openapi({ param: { name: "id", in: "path" }, example: "0195a1f0" }),
    }),
    query: noParameters,
  },
  responses: { 204: { description: "Revoked" }, ...problems(404) },
});

export function serveCredentials(
  app: OpenAPIHono<ApiEnv>,
  { credentials, endConnections }: ApiParts,
  endApp: (name: string) => void,
): void {
  app.openapi(createCredential, async (c) => {
    const { kind, subject } = c.req.valid("json");
    const { credential, secret } = await credentials.create(kind, subject);
    c.header("cache-control", "no-store");
    return c.json({ ...credentialView(credential), secret }, 201);
  });

  app.openapi(listCredentials, async (c) => {
    const { kind, subject } = c.req.valid("query");
    const kinds = kind === undefined ? (["app", "device"] as const) : [kind];
    const found = await Promise.all(kinds.map((each) => credentials.list(each, subject)));
    return c.json({ items: found.flat().map(credentialView) }, 200);
  });

  app.openapi(revokeCredential, async (c) => {
    const { id } = c.req.valid("param");
    const all = (await Promise.all((["device", "app"] as const).map((kind) => credentials.list(kind)))).flat();
    const credential = all.find((each) => each.id === id);
    if (credential === undefined || !(await credentials.revoke(id)))
      throw new Problem("not-found", `There is no credential ${id} to revoke.`);
    const { kind, subject } = credential;
    // Whoever has another credential of the same subject may come again with it.
    if (kind === "app") endApp(subject);
    if (kind === "app") endConnections({ kind, name: subject }, "key revoked");
    else endConnections({ kind, device: subject }, "token revoked");
    return c.body(null, 204);
  });
}

function credentialView({
  id,
  kind,
  subject,
  createdAtMs,
  revokedAtMs,
}: CredentialSummary): z.infer<typeof CredentialView> {
  return { id, kind, subject, createdAt: iso(createdAtMs), revokedAt: revokedAtMs === null ? null : iso(revokedAtMs) };
}
