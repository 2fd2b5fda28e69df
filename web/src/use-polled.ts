import { useEffect, useRef } from "preact/hooks";
import { now } from "./clock.ts";
import { type Resource, useResource } from "./use-resource.ts";

/** An answer that takes longer is told as silence. */
const silentAfterMs = 5_000;

/**
 * A resource asked for again `everyMs` after each answer, and when the page is looked at again. `silentMs`: for how long
 * the server has not answered, 0 while it answers in time. Without the right API key it waits for one.
 */
export function usePolled<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number,
): Resource<T> & { silentMs: number } {
  const resource = useResource(key, load);
  const { loading, problem, reload } = resource;
  const askedAt = useRef(Date.now());
  useEffect(() => {
    if (loading) {
      askedAt.current = Date.now();
      return;
    }
    if (problem?.status === 401) return;
    const timer = setTimeout(reload, everyMs);
    return () => clearTimeout(timer);
  }, [loading, problem, reload, everyMs]);
  useEffect(() => {
    const look = () => {
      if (document.visibilityState === "visible") reload();
    };
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, [reload]);
  const waitedMs = loading ? now.value - askedAt.current : 0;
  return { ...resource, silentMs: waitedMs > silentAfterMs ? waitedMs : 0 };
}
