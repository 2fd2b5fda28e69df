/**
 * Whether an address or name to listen on is reached from this machine alone. What is open without credentials hangs on
 * it, so there is one answer for all parts.
 */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
