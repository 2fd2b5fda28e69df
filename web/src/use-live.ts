import { useEffect, useRef } from "preact/hooks";
import type { LiveMessage } from "./contract.ts";
import { type Following, follow } from "./live.ts";
import { throttle } from "./throttle.ts";

/** Follows `what` while the component is there. `onMessage` may change with every render. */
export function useLive(what: Following, onMessage: (message: LiveMessage) => void): void {
  const newest = useRef(onMessage);
  newest.current = onMessage;
  useEffect(() => follow(what, (message) => newest.current(message)), [what]);
}

/** `act`, at most once per `everyMs`, however often the returned function is called. */
export function useThrottled(act: () => void, everyMs: number): () => void {
  const newest = useRef(act);
  newest.current = act;
  const throttled = useRef<ReturnType<typeof throttle> | null>(null);
  throttled.current ??= throttle(() => newest.current(), everyMs);
  useEffect(() => () => throttled.current?.cancel(), []);
  return throttled.current.call;
}
