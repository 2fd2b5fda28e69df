/** The dashboard's files, with its entry page for every path that the dashboard itself routes. */
import { StaticFiles } from "./static-files.ts";

/** Nothing from elsewhere, and no inline script: what a device sends can never run. */
export const contentSecurityPolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; connect-src 'self'; " +
  "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Paths that are never pages of the dashboard: a mistake there is a problem document. */
const apiPath = /^\/(v1|api|things|topics|health|metrics|openapi\.json|docs)(\/|$)/;

export type Dashboard = {
  /** Whether the path is the dashboard's: one of its files, or a page that it routes. */
  owns(path: string): boolean;
  /** The answer to a GET; null if the path is not the dashboard's. */
  respond(path: string, request: Request): Promise<Response | null>;
};

/** `root` is the folder of the built dashboard. */
export function openDashboard(root: string): Dashboard {
  const files = new StaticFiles(root);
  const fileOf = (path: string): string | null => {
    if (files.has(path) && path !== "/index.html") return path;
    if (apiPath.test(path) || !files.has("/index.html")) return null;
    // A missing file is a mistake; a device's page is not, whatever dots its id has.
    return /^\/assets\/|\.(js|css|map|png|svg|ico|json|txt|woff2)$/.test(path) ? null : "/index.html";
  };
  return {
    owns: (path) => fileOf(path) !== null,
    async respond(path, request) {
      const file = fileOf(path);
      if (file === null) return null;
      const response = await files.respond(file, request, file.startsWith("/assets/"));
      response?.headers.set("content-security-policy", contentSecurityPolicy);
      return response;
    },
  };
}
