import { contentLimit, type SinkDeadLetter, type SinkDeadLetters } from "./port.ts";

export function memorySinkDeadLetters(): SinkDeadLetters {
  const kept = new Map<string, SinkDeadLetter & { number: number }>();
  let last = 0;
  return {
    async add(letters) {
      for (const letter of letters) {
        const key = [letter.sink, letter.partition, letter.offset, letter.part].join("\0");
        if (kept.has(key)) continue; // L1
        last += 1;
        kept.set(key, { ...letter, content: letter.content.slice(0, contentLimit), number: last });
      }
    },
    async list({ sink, limit, after = Number.POSITIVE_INFINITY }) {
      const found = [...kept.values()].filter((letter) => sink === undefined || letter.sink === sink);
      return found
        .filter(({ number }) => number < after)
        .sort((a, b) => b.number - a.number)
        .slice(0, limit);
    },
    async counts() {
      const counts: Record<string, number> = {};
      for (const { sink } of kept.values()) counts[sink] = (counts[sink] ?? 0) + 1;
      return counts;
    },
    async trim(beforeMs) {
      const old = [...kept].filter(([, { atMs }]) => atMs < beforeMs);
      for (const [key] of old) kept.delete(key);
      return old.length;
    },
  };
}
