import { Link } from "wouter-preact";
import type { QualityReport, QualityRuleRow } from "../contract.ts";
import { formatDuration, formatNumber, formatWords } from "../format.ts";
import { formatShare, lowestOf } from "../quality/measures.ts";
import { trendOf } from "../quality/report.ts";
import { Sparkline } from "./sparkline.tsx";

/** Broken rules with how often, most first; those that put messages in quarantine lead to them. */
export function RuleTable(props: { report: QualityReport; chosen: string; onChoose: (rule: string) => void }) {
  const { report, chosen, onChoose } = props;
  const { rules } = report;
  return (
    <section class="panel" aria-label="Broken rules">
      <header>
        <h2>Broken rules</h2>
        {chosen !== "" && (
          <button type="button" class="at-end" onClick={() => onChoose("")}>
            All rules
          </button>
        )}
      </header>
      {rules.length === 0 ? (
        <p class="none">No message broke a rule in this time.</p>
      ) : (
        <div class="scroll">
          <table class="rule-table">
            <thead>
              <tr>
                <th scope="col">Rule</th>
                <th scope="col">Outcome</th>
                <th scope="col" class="wide">
                  Over time
                </th>
                <th scope="col" class="number">
                  Messages
                </th>
                <th scope="col" class="number">
                  Share
                </th>
              </tr>
            </thead>
            <tbody>
              {rules.map((row) => (
                <tr key={`${row.rule}/${row.outcome}`}>
                  <th scope="row">
                    {row.outcome === "refused" ? (
                      formatWords(row.rule)
                    ) : (
                      <button
                        type="button"
                        class="link"
                        aria-pressed={row.rule === chosen}
                        onClick={() => onChoose(row.rule === chosen ? "" : row.rule)}
                      >
                        {row.rule}
                      </button>
                    )}
                  </th>
                  <td>
                    {row.outcome === "flagged" ? (
                      <span class="state">flagged</span>
                    ) : (
                      <Link class="state failed" href={lettersOf(row)}>
                        {row.outcome}
                      </Link>
                    )}
                  </td>
                  <td class="trend wide" aria-hidden="true">
                    <Sparkline values={trendOf(row, report)} />
                  </td>
                  <td class="number">{formatNumber(row.messages)}</td>
                  <td class="number quiet">{formatShare(row.share)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** The measures by type and region: where the trouble is. */
export function GroupTable(props: {
  report: QualityReport;
  onChoose: (group: { type: string; region: string }) => void;
}) {
  const groups = props.report.groups.toSorted((a, b) => lowestOf(a) - lowestOf(b) || b.messages - a.messages);
  return (
    <section class="panel" aria-label="By type and region">
      <header>
        <h2>By type and region</h2>
      </header>
      <div class="scroll tall">
        <table>
          <thead>
            <tr>
              <th scope="col">Type</th>
              <th scope="col">Region</th>
              {["Messages", "Complete", "Accurate", "Timely", "Fresh"].map((name) => (
                <th key={name} scope="col" class="number">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => {
              const { completeness, accuracy, timeliness, freshnessSeconds } = group;
              return (
                <tr key={`${group.type}/${group.region}`}>
                  <th scope="row">
                    <button type="button" class="link" onClick={() => props.onChoose(group)}>
                      {group.type}
                    </button>
                  </th>
                  <td>{group.region === "" ? <span class="quiet">none</span> : group.region}</td>
                  <td class="number">{formatNumber(group.messages)}</td>
                  {[completeness, accuracy, timeliness].map((value, at) => (
                    <td key={at} class={value !== null && value < 0.95 ? "number trouble" : "number"}>
                      {formatShare(value)}
                    </td>
                  ))}
                  <td class="number">{freshnessSeconds === null ? "–" : formatDuration(freshnessSeconds * 1000)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function lettersOf({ rule, outcome }: QualityRuleRow): string {
  return `/dead-letters?${outcome === "refused" ? "reason" : "rule"}=${encodeURIComponent(rule)}`;
}
