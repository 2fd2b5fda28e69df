import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { apiKey } from "./api-key.ts";
import { resyncs } from "./live.ts";
import { asProblem, type Problem } from "./problem.ts";

export type Resource<T> = {
  /** The newest answer; kept while a newer one is on its way. */
  data: T | null;
  problem: Problem | null;
  loading: boolean;
  /** Fetches anew, quietly: what is shown stays until the answer is there. */
  reload: () => void;
  /** Changes what is shown without asking the server (a live message); the same object back draws nothing anew. */
  patch: (change: (data: T) => T) => void;
};

/**
 * Loads once for each `key` (null: not yet), and again after a lost connection or with a new API key.
 * An answer that a later request has overtaken is dropped.
 */
export function useResource<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<{ key: string | null; data: T | null; problem: Problem | null; loading: boolean }>(
    {
      key: null,
      data: null,
      problem: null,
      loading: true,
    },
  );
  const [asked, setAsked] = useState(0);
  const newest = useRef(load);
  newest.current = load;
  const epoch = `${resyncs.value}/${apiKey.value}`;

  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    newest.current(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ key, data, problem: null, loading: false });
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        setState((before) => ({
          key,
          data: before.key === key ? before.data : null,
          problem: asProblem(error),
          loading: false,
        }));
      },
    );
    return () => abort.abort();
  }, [key, asked, epoch]);

  const reload = useCallback(() => setAsked((count) => count + 1), []);
  const patch = useCallback(
    (change: (data: T) => T) =>
      setState((before) => {
        if (before.data === null) return before;
        const data = change(before.data);
        return data === before.data ? before : { ...before, data };
      }),
    [],
  );
  return { data: state.data, problem: state.problem, loading: state.loading, reload, patch };
}
