import type { RedisOptions } from "ioredis";
import type { ClientTls } from "../tls/client.ts";

/** How a Redis is reached. */
export type RedisAccess = {
  /** redis://user:password@host:6379/0, or rediss:// for TLS */
  readonly url: string;
  readonly tls?: ClientTls;
  /** Goes before one in the URL; "" for none. */
  readonly password?: string;
};

/** For the client's options, beside the URL. */
export function accessOf({ url, tls = {}, password = "" }: RedisAccess): Pick<RedisOptions, "tls" | "password"> {
  return { ...(url.startsWith("rediss:") && { tls }), ...(password !== "" && { password }) };
}
