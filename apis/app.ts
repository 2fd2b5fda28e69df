/** The API as one Hono app: what every request passes, the routes, and what becomes of requests that fit none. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { ZodError } from "zod";
import type { $ZodIssue } from "zod/v4/core";
import packageJson from "../package.json" with { type: "json" };
import { isDatabaseAway } from "../ports/postgres/errors.ts";
import { authentication } from "./authentication.ts";
import { serveAwsDataPlane } from "./aws-data-plane.ts";
import { awsErrorResponse, isAwsPath } from "./aws-errors.ts";
import { serveCluster } from "./cluster.ts";
import { serveCommands } from "./commands.ts";
import { serveEarlierPaths } from "./compat.ts";
import { serveCredentials } from "./credentials.ts";
import { type Dashboard, openDashboard } from "./dashboard.ts";
import { serveDeadLetters } from "./dead-letters.ts";
import { serveDeviceTypes } from "./device-types.ts";
import { serveDevices } from "./devices.ts";
import { serveDocs } from "./docs.ts";
import { serveEvents } from "./events.ts";
import { serveExports } from "./exports.ts";
import type { FleetStatistics } from "./fleet-statistics.ts";
import { serveHealth } from "./health.ts";
import { serveLive } from "./live.ts";
import { serveMetrics } from "./metrics.ts";
import type { ApiEnv, ApiParts } from "./parts.ts";
import { Problem, problemOfStatus, problemResponse } from "./problem.ts";
import { serveQuality } from "./quality.ts";
import { serveQuery } from "./query.ts";
import { importPath, serveRegistryImport } from "./registry-import.ts";
import { emptyBody, limitBody, wellFormedJson } from "./request-body.ts";
import { serveShadows } from "./shadows.ts";
import { serveSinkDeadLetters } from "./sink-dead-letters.ts";
import { serveStats } from "./stats.ts";
import { serveTelemetry } from "./telemetry.ts";

/** `endApp`: ends what the server has open for an app beside its requests: WebSockets. */
export function apiApp(
  parts: ApiParts,
  statistics: FleetStatistics,
  endApp: (name: string) => void = () => {},
): OpenAPIHono<ApiEnv> {
  const dashboard = parts.config.dashboardRoot === null ? null : openDashboard(parts.config.dashboardRoot);
  const app = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalid(result.target, result.error.issues);
    },
  });
  app.onError((error, c) => refusal(error, c, parts.log));
  app.notFound((c) => unrouted(c, app, dashboard));

  app.use(securityHeaders);
  app.use(authentication(parts, (path) => dashboard?.owns(path) ?? false));
  const limit = limitBody(parts.config.maxBodyBytes);
  const wellFormed = wellFormedJson();
  const inTime = withinTime(parts.config.requestTimeoutMs);
  app.use((c, next) => (c.req.path === importPath ? next() : inTime(c, next)));
  app.use((c, next) => (c.req.path === importPath ? next() : limit(c, next)));
  app.use((c, next) => (c.req.path === importPath || isAwsPath(c.req.path) ? next() : wellFormed(c, next)));

  serveRegistryImport(app, parts);
  serveDevices(app, parts);
  serveShadows(app, parts);
  serveCommands(app, parts);
  serveTelemetry(app, parts);
  serveQuery(app, parts);
  serveExports(app, parts);
  serveEvents(app, parts);
  serveDeadLetters(app, parts);
  serveSinkDeadLetters(app, parts);
  serveQuality(app, parts);
  serveStats(app, parts, statistics);
  serveDeviceTypes(app, parts);
  serveCredentials(app, parts, endApp);
  serveEarlierPaths(app, parts, statistics);
  serveAwsDataPlane(app, parts);
  serveMetrics(app, parts);
  serveHealth(app, parts, statistics);
  serveCluster(app, parts);
  serveLive(app);
  serveDocs(app, packageJson.version);
  return app;
}

async function securityHeaders(c: Context, next: () => Promise<void>): Promise<void> {
  await next();
  c.res.headers.set("x-content-type-options", "nosniff");
  c.res.headers.set("referrer-policy", "no-referrer");
  if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
}

function withinTime(ms: number): (c: Context, next: () => Promise<void>) => Promise<void> {
  return async (_c, next) => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Problem("unavailable", `The answer took more than ${ms / 1_000} s. Try again, or ask for less.`));
    }, ms);
    try {
      await Promise.race([next(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** What a failed validation says, in the words of the request: `query/limit`, `body/location/latitude`. */
function invalid(target: string, issues: readonly $ZodIssue[]): Problem {
  const where = target === "json" ? "body" : target === "param" ? "path" : target;
  const errors = issues
    .slice(0, 20)
    .map(({ path, message }) => ({ pointer: [where, ...path.map(String)].join("/"), detail: message }));
  const first = errors[0];
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : "";
  return new Problem("invalid-request", `${first?.pointer ?? where}: ${first?.detail ?? "is not valid"}${more}`, {
    errors,
  });
}

/** Any error as an answer. What we did not foresee is logged, and told to nobody. */
function refusal(error: unknown, c: Context, log: ApiParts["log"]): Response {
  const problem = problemOf(error);
  if (problem.status >= 500)
    log.error({ err: error, method: c.req.method, route: c.req.routePath }, "a request failed");
  return isAwsPath(c.req.path) ? awsErrorResponse(problem) : problemResponse(problem, c.req.path);
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ZodError) return invalid("json", error.issues);
  if (error instanceof HTTPException && error.status === 400) return new Problem("malformed-json", emptyBody);
  if (error instanceof HTTPException) {
    return error.status === 415
      ? new Problem(
          "unsupported-media-type",
          "The body's Content-Type is not one that this path takes; send application/json.",
        )
      : problemOfStatus(error.status, error.message);
  }
  const { code, retry } = error as { code?: unknown; retry?: unknown };
  if (code === "BAD_CURSOR") {
    return new Problem(
      "bad-cursor",
      "The cursor is not one of this list. Take `next` from the page before, or leave it out.",
    );
  }
  if (retry === "later" || isDatabaseAway(error)) {
    return new Problem("unavailable", "A part that is needed is not there at the moment. Try again.", {
      headers: { "retry-after": "1" },
    });
  }
  return new Problem("internal-error", "A fault of ours; the log says more.");
}

/** A path that no route has: a page or file of the dashboard, a path with other methods, or nothing. */
async function unrouted(c: Context, app: OpenAPIHono<ApiEnv>, dashboard: Dashboard | null): Promise<Response> {
  const { path, method } = c.req;
  const reads = method === "GET" || method === "HEAD";
  const found = reads ? await dashboard?.respond(path, c.req.raw) : null;
  if (found) return found;
  const allowed = [...methodsOf(app, path), ...(dashboard?.owns(path) ? ["GET", "HEAD"] : [])];
  if (allowed.length > 0) {
    const allow = [...new Set([...allowed, "OPTIONS"])].join(", ");
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
    throw new Problem("method-not-allowed", `${path} has no ${method}; it has ${allow}.`, { headers: { allow } });
  }
  throw new Problem("not-found", `There is nothing at ${path}. See /docs for what there is.`);
}

function methodsOf(app: OpenAPIHono<ApiEnv>, path: string): string[] {
  const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((method) => {
    const [handlers] = app.router.match(method, path);
    return handlers.some(([[, route]]) => route.method === method);
  });
  return methods.includes("GET") ? ["HEAD", ...methods] : methods;
}
