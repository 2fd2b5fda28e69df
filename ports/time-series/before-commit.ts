import type pg from "pg";

/** For tests: the pool, but `harm` comes before the commit of every transaction that writes rows. */
export function beforeCommit(pool: pg.Pool, harm: (client: pg.PoolClient) => Promise<unknown>): pg.Pool {
  const connect = async () => {
    const client = await pool.connect();
    let copying = false;
    return new Proxy(client, {
      get(target, property) {
        if (property !== "query") {
          const member = Reflect.get(target, property);
          return typeof member === "function" ? member.bind(target) : member;
        }
        return (...args: Parameters<typeof client.query>) => {
          if (typeof args[0] !== "string") copying = true;
          if (args[0] !== "commit" || !copying) return target.query(...args);
          return harm(target).then(() => target.query("commit"));
        };
      },
    });
  };
  return new Proxy(pool, {
    get: (target, property) => (property === "connect" ? connect : Reflect.get(target, property)),
  });
}
