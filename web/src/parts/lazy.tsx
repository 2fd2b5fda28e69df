import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asProblem, type Problem } from "../problem.ts";
import { ProblemBox } from "./problem-box.tsx";

/** A component whose code is fetched when it is first shown. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>) {
  let loaded: ComponentType<Props> | null = null;
  return function Lazy(props: Props) {
    const [, setLoaded] = useState(loaded !== null);
    const [problem, setProblem] = useState<Problem | null>(null);
    useEffect(() => {
      if (loaded) return;
      load().then(
        (component) => {
          loaded = component;
          setLoaded(true);
        },
        (error: unknown) => setProblem(asProblem(error)),
      );
    }, []);
    const Loaded = loaded;
    if (problem) return <ProblemBox problem={problem} onRetry={() => location.reload()} />;
    return Loaded ? <Loaded {...props} /> : null;
  };
}
