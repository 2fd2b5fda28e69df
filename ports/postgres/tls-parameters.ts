/** The files that a database URL names for TLS (`sslrootcert`, `sslcert`, `sslkey`), as pg and libpq know them. */
import { readAuthorities, readIdentity } from "../tls/files.ts";

/** pg reads them with each connection; what does not fit is told at the start. @throws TlsFileUnfit */
export function checkTlsParameters(url: string): void {
  if (!URL.canParse(url)) return; // pg takes some that are none: of those it tells itself
  const { searchParams } = new URL(url);
  const file = (name: string) => ({ option: `${name} of DATABASE_URL`, path: searchParams.get(name) ?? "" });
  const [authorities, certificate, key] = [file("sslrootcert"), file("sslcert"), file("sslkey")];
  if (authorities.path !== "") readAuthorities(authorities);
  if (certificate.path !== "" && key.path !== "") readIdentity(certificate, key);
}
