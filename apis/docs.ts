/** `/openapi.json`, made from the routes, and `/docs`, a page of it by Swagger UI from its package. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiEnv } from "./parts.ts";
import { StaticFiles } from "./static-files.ts";

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doppel HTTP API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="api"><noscript>This page needs JavaScript. The description itself is at <a href="/openapi.json">/openapi.json</a>.</noscript></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/open.js"></script>
</body>
</html>
`;

const script = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", deepLinking: true, docExpansion: "list", tryItOutEnabled: true, validatorUrl: null });
`;

/** Swagger UI styles its parts inline, and draws its arrows from data URLs. */
const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const assets = ["/swagger-ui.css", "/swagger-ui-bundle.js", "/favicon-32x32.png"];

/** The version is the package's. */
export function describe(version: string) {
  return {
    openapi: "3.1.0",
    info: {
      title: "Doppel",
      version,
      description:
        "Device twins over HTTP. Times are ISO 8601 in UTC. Refusals are problem documents (RFC 9457); on AWS's paths they have AWS's form. " +
        "Lists are paged: send `next` back as `cursor`.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ key: [] }, {}],
    tags: [
      { name: "Devices", description: "The registry, and each device's twin" },
      { name: "Shadows", description: "Desired and reported state" },
      { name: "Commands", description: "What devices are told to do" },
      { name: "Telemetry", description: "What devices measure" },
      { name: "Events", description: "What happened" },
      { name: "Fleet", description: "All devices together" },
      { name: "Live", description: "As it happens, over WebSocket" },
      { name: "Device types", description: "The numbers by which devices are judged" },
      { name: "Credentials", description: "API keys and device tokens" },
      { name: "AWS data plane", description: "For AWS SDKs with another endpoint" },
      { name: "Earlier paths", description: "Kept for apps that call them" },
      { name: "Operation", description: "Health and metrics" },
    ],
  };
}

export function serveDocs(app: OpenAPIHono<ApiEnv>, version: string): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "key", {
    type: "http",
    scheme: "bearer",
    description: "An API key, where credentials are required",
  });
  const files = new StaticFiles(dirname(fileURLToPath(import.meta.resolve("swagger-ui-dist/package.json"))), (path) =>
    assets.includes(path),
  );
  let document: string | null = null;

  app.get("/openapi.json", (c) => {
    document ??= JSON.stringify(app.getOpenAPI31Document(describe(version)));
    return c.body(document, 200, { "content-type": "application/json", "cache-control": "no-cache" });
  });
  app.get("/docs", (c) => c.html(page, 200, { "content-security-policy": policy, "cache-control": "no-cache" }));
  app.get("/docs/open.js", (c) => c.body(script, 200, { "content-type": "text/javascript; charset=utf-8" }));
  for (const asset of assets) {
    app.get(`/docs${asset}`, async (c) => (await files.respond(asset, c.req.raw, false)) ?? c.notFound());
  }
}
