import type { Resend, Resends } from "./port.ts";

/** Resends as a map: for tests and the smallest of set-ups. */
export function memoryResends(): Resends {
  const claims = new Map<string, { token: string; resend: Resend }>();
  return {
    async claim({ token, atMs, ...claim }, abandonedBeforeMs) {
      const held = claims.get(claim.letter)?.resend;
      if (held === undefined) {
        claims.set(claim.letter, { token, resend: { ...claim, claimedAtMs: atMs, tries: 1, settled: null } });
        return { kind: "claimed" };
      }
      const { payload } = held;
      const isOther = claim.correction !== "" && claim.correction !== held.correction;
      if (held.settled !== null || payload === null || held.claimedAtMs >= abandonedBeforeMs || isOther)
        return { kind: "taken", resend: held };
      const resend = { ...held, payload, claimedAtMs: atMs, by: claim.by, tries: held.tries + 1 };
      claims.set(claim.letter, { token, resend });
      return { kind: "takenOver", resend };
    },
    async settle(letter, token, settled) {
      const held = claims.get(letter);
      if (held?.token !== token || held.resend.settled !== null) return false;
      claims.set(letter, { token, resend: { ...held.resend, payload: null, settled } });
      return true;
    },
    async release(letter, token) {
      const held = claims.get(letter);
      if (held?.token === token && held.resend.settled === null) claims.delete(letter);
    },
    async find(letters) {
      return new Map(letters.flatMap((letter) => (claims.has(letter) ? [[letter, claims.get(letter)!.resend]] : [])));
    },
  };
}
