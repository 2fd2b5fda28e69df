/** Which dead letters are listed. It lives in the address, so that a view can be kept and shared. */
export type LetterFilter = { device: string; reason: string; rule: string; type: string; region: string };

const names = ["device", "reason", "rule", "type", "region"] as const;

/** A rule narrows only what was quarantined: no other reason goes with it. */
export function readLetterFilter(search: string): LetterFilter {
  const query = new URLSearchParams(search);
  const filter = Object.fromEntries(names.map((name) => [name, query.get(name) ?? ""])) as LetterFilter;
  return filter.rule === "" ? filter : { ...filter, reason: "quarantined" };
}

/** The filter as a query, for the address and for the API alike: nothing that is not set. */
export function letterQuery(filter: LetterFilter): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of names) if (filter[name] !== "") query.set(name, filter[name]);
  return query;
}
