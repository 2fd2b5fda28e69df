import type { Problem } from "../problem.ts";

/** An error in words, from a problem document, with what was wrong in each field and a way on. */
export function ProblemBox(props: { problem: Problem; onRetry?: () => void }) {
  const { problem, onRetry } = props;
  return (
    <div class="problem" role="alert">
      <strong>{problem.title}</strong>
      {problem.message && <p>{problem.message}</p>}
      {problem.fields.length > 0 && (
        <ul>
          {problem.fields.map((field) => (
            <li key={field}>{field}</li>
          ))}
        </ul>
      )}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
