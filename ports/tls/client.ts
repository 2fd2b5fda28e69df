/** What our clients show to the servers of others, and whom they trust. */
import { type NamedFile, readAuthorities, readIdentity } from "./files.ts";

/** For tls.connect and whatever hands options on to it; without `ca`, whom Node trusts. Servers are always verified. */
export type ClientTls = { readonly ca?: string; readonly cert?: string; readonly key?: string };

export type ClientTlsFiles = Partial<Record<"ca" | "cert" | "key", NamedFile>>;

/** Of files with the path "" nothing is read. @throws TlsFileUnfit */
export function readClientTls({ ca, cert, key }: ClientTlsFiles): ClientTls {
  const own = cert?.path && key?.path ? readIdentity(cert, key) : null;
  return {
    ...(ca?.path && { ca: readAuthorities(ca) }),
    ...(own !== null && { cert: own.cert, key: own.key }),
  };
}
