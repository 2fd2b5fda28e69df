/**
 * What our TLS servers show and ask: a certificate from files, which is taken anew when they change, and the certificates
 * of devices.
 *
 * T1 Files that do not fit stop a start; later they are told and change nothing, until they fit. Certificate and key are
 *    two files, so for a moment they may be of different pairs.
 * T2 Connections that are open stay as they are; who connects after a change sees the new certificate.
 */
import type { Server as HttpsServer } from "node:https";
import type { Server, TLSSocket, TlsOptions } from "node:tls";
import { type NamedFile, readAuthorities, readIdentity } from "./files.ts";

export type ServerTlsFiles = {
  readonly certificate: NamedFile;
  readonly key: NamedFile;
  /** Who signs the certificates of devices; null: none are asked for. */
  readonly clientAuthorities: NamedFile | null;
};

export type ServerTlsLog = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

export type ServerTls = {
  /** Opens a server with these files, and sees to it that it follows them. `devices`: it asks for their certificates. */
  serve<S extends Server | HttpsServer>(open: (options: TlsOptions) => S, devices: boolean): S;
  /** When the certificate shown ends, in epoch milliseconds. */
  expiresAtMs(): number;
  /** Looks whether the files have changed; also done about every `everyMs`. */
  reload(): void;
  close(): void;
};

export type ServerTlsOptions = {
  readonly files: ServerTlsFiles;
  readonly log: ServerTlsLog;
  /** Files are looked at so often, default 10,000 ms: a watch would miss links that are exchanged (Kubernetes' secrets). */
  readonly everyMs?: number;
};

/** @throws TlsFileUnfit */
export function openServerTls({ files, log, everyMs = 10_000 }: ServerTlsOptions): ServerTls {
  let current = read(files); // T1
  let lastProblem = "";
  const servers: { readonly server: Server | HttpsServer; readonly devices: boolean }[] = [];

  const reload = () => {
    try {
      const next = read(files);
      lastProblem = "";
      if (same(next, current)) return;
      current = next;
      for (const { server, devices } of servers) server.setSecureContext(contextOf(current, devices));
      log.info({ expires: new Date(current.expiresAtMs).toISOString() }, "the certificate was changed");
    } catch (error) {
      const problem = (error as Error).message;
      if (problem !== lastProblem) log.warn({ problem }, "the changed files of TLS do not fit; the old ones stay"); // T1
      lastProblem = problem;
    }
  };
  const timer = setInterval(reload, everyMs);
  timer.unref();

  return {
    serve(open, devices) {
      const asks = devices && current.ca !== null;
      const server = open({ ...contextOf(current, devices), requestCert: asks, rejectUnauthorized: false });
      servers.push({ server, devices });
      return server;
    },
    expiresAtMs: () => current.expiresAtMs,
    reload,
    close: () => clearInterval(timer),
  };
}

type Read = {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
  readonly expiresAtMs: number;
};

function read({ certificate, key, clientAuthorities }: ServerTlsFiles): Read {
  const ca = clientAuthorities === null ? null : readAuthorities(clientAuthorities);
  return { ...readIdentity(certificate, key), ca };
}

function same(one: Read, other: Read): boolean {
  return one.cert === other.cert && one.key === other.key && one.ca === other.ca;
}

function contextOf({ cert, key, ca }: Read, devices: boolean) {
  return { cert, key, minVersion: "TLSv1.2" as const, ...(devices && ca !== null && { ca }) };
}

/** Who is on the other side of a TLS connection, by its certificate. */
export type PeerCertificate =
  | { readonly kind: "none" }
  /** Not signed by who is trusted, not valid now, or not for a client. */
  | { readonly kind: "untrusted" }
  /** `name`: its common name; "" if it has none, or several. */
  | { readonly kind: "verified"; readonly name: string };

/** Of a connection whose server asks for certificates; of any other there is none. */
export function peerCertificate(socket: TLSSocket): PeerCertificate {
  const subject: Record<string, unknown> | undefined = socket.getPeerCertificate()?.subject;
  if (subject === undefined) return { kind: "none" };
  if (!socket.authorized) return { kind: "untrusted" };
  const { CN: name } = subject;
  return { kind: "verified", name: typeof name === "string" ? name : "" };
}
