import type { RuleChange } from "../quality/rule-changes.ts";

/** What someone else has changed while one was changing the same rules. */
export function RuleChanges({ changes, hint }: { changes: RuleChange[]; hint: string }) {
  return (
    <div class="problem rule-changes" role="alert">
      <strong>Someone changed the rules meanwhile</strong>
      {changes.length > 0 && (
        <dl>
          {changes.map(({ name, before, now }) => (
            <div key={name}>
              <dt>
                <code>{name}</code>
              </dt>
              <dd>
                {now === null ? "removed" : now}
                {before === null ? " (new)" : <span class="quiet"> (was {before})</span>}
              </dd>
            </div>
          ))}
        </dl>
      )}
      <p>{hint}</p>
    </div>
  );
}
