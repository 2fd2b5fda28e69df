/** Files of a folder over HTTP: ETag, cache life, compressed once. The folder is listed once: no path leads out of it. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname, join, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".webmanifest": "application/manifest+json",
  ".txt": "text/plain; charset=utf-8",
};
const compressible = /^(text\/|application\/(json|manifest)|image\/svg)/;
const smallBytes = 1_024;

type Encoding = "identity" | "br" | "gzip";
type Loaded = { readonly type: string; readonly etag: string; readonly bodies: Map<Encoding, Promise<Uint8Array>> };

export class StaticFiles {
  readonly #root: string;
  /** By path with a leading slash. */
  readonly #files = new Map<string, Promise<Loaded> | null>();

  /** `only` chooses among the files below `root`. A folder that is not there is an empty one. */
  constructor(root: string, only: (path: string) => boolean = () => true) {
    this.#root = root;
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return;
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name).slice(root.length).replaceAll(sep, "/");
      const absolute = path.startsWith("/") ? path : `/${path}`;
      if (only(absolute)) this.#files.set(absolute, null);
    }
  }

  has(path: string): boolean {
    return this.#files.has(path);
  }

  /** The file as an answer to `request`; null if there is none. `immutable`: its name changes with its content. */
  async respond(path: string, request: Request, immutable: boolean): Promise<Response | null> {
    if (!this.#files.has(path)) return null;
    const { type, etag, bodies } = await this.#load(path);
    const headers: Record<string, string> = {
      "content-type": type,
      etag,
      "cache-control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
      vary: "accept-encoding",
    };
    const known = (request.headers.get("if-none-match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
    if (known.includes(etag.replace(/^W\//, "")) || known.includes("*"))
      return new Response(null, { status: 304, headers });
    const encoding = await chooseEncoding(request.headers.get("accept-encoding") ?? "", type, bodies);
    const body = await encoded(encoding, bodies);
    if (encoding !== "identity") headers["content-encoding"] = encoding;
    headers["content-length"] = String(body.length);
    return new Response(body as Uint8Array<ArrayBuffer>, { headers });
  }

  #load(path: string): Promise<Loaded> {
    const loading = this.#files.get(path);
    if (loading) return loading;
    const loaded = readFile(join(this.#root, path)).then((content): Loaded => {
      // Weak: the compressed bodies share it.
      const etag = `W/"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
      const type = types[extname(path)] ?? "application/octet-stream";
      return { type, etag, bodies: new Map([["identity", Promise.resolve(content)]]) };
    });
    this.#files.set(path, loaded);
    loaded.catch(() => this.#files.set(path, null));
    return loaded;
  }
}

async function chooseEncoding(accepted: string, type: string, bodies: Loaded["bodies"]): Promise<Encoding> {
  if (!compressible.test(type) || ((await bodies.get("identity"))?.length ?? 0) < smallBytes) return "identity";
  const takes = (name: string) =>
    new RegExp(`(^|[ ,])${name}\\s*(;\\s*q=(?!0(\\.0+)?\\s*(,|$))[^,]*)?\\s*(,|$)`).test(accepted);
  if (takes("br")) return "br";
  return takes("gzip") ? "gzip" : "identity";
}

async function encoded(encoding: Encoding, bodies: Loaded["bodies"]): Promise<Uint8Array> {
  const made = bodies.get(encoding);
  if (made !== undefined) return made;
  const plain = (await bodies.get("identity")) ?? new Uint8Array();
  const making =
    encoding === "br"
      ? promisify(brotliCompress)(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } })
      : promisify(gzip)(plain);
  bodies.set(encoding, making);
  return making;
}
