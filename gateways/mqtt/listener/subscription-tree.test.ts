import fc from "fast-check";
import { expect, test } from "vitest";
import { SubscriptionTree } from "./subscription-tree.ts";
import { filterProblem } from "./topic-filter.ts";
import { TopicTree } from "./topic-tree.ts";

test("both trees find what a naive matcher finds, whatever was added and removed before", () => {
  const change = fc.record({ filter: anyFilter(), subscriber: fc.nat(3), add: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), fc.array(anyTopic(), { maxLength: 10 }), (changes, topics) => {
      const tree = new SubscriptionTree<number, string>();
      const model = new Map<string, { filter: string; subscriber: number }>();
      for (const { filter, subscriber, add } of changes) {
        const key = `${subscriber} ${filter}`;
        if (add) tree.set(filter, subscriber, filter);
        else expect(tree.delete(filter, subscriber)).toBe(model.has(key));
        if (add) model.set(key, { filter, subscriber });
        else model.delete(key);
      }
      expect(tree.size).toBe(model.size);
      for (const topic of topics) {
        const found: string[] = [];
        tree.match(topic, (subscriber, filter) => found.push(`${subscriber} ${filter}`));
        const expected = [...model].filter(([, { filter }]) => naiveMatch(filter, topic)).map(([key]) => key);
        expect(found.sort()).toEqual(expected.sort());
      }

      const byTopic = new TopicTree<string>();
      for (const topic of topics) byTopic.set(topic, topic);
      for (const topic of topics.slice(5)) byTopic.delete(topic);
      const kept = new Set(topics.filter((topic) => !topics.slice(5).includes(topic)));
      for (const topic of topics) expect(byTopic.get(topic)).toBe(kept.has(topic) ? topic : undefined);
      for (const { filter } of changes) {
        expect(byTopic.find(filter).sort()).toEqual([...kept].filter((topic) => naiveMatch(filter, topic)).sort());
      }
    }),
  );
});

test.each([
  ["#", "a/b", true],
  ["a/#", "a", true],
  ["a/#", "ab", false],
  ["+", "a/b", false],
  ["+/b", "/b", true],
  ["a/+", "a/", true],
  ["a/+", "a", false],
  ["#", "$aws/things", false],
  ["+/things", "$aws/things", false],
  ["$aws/#", "$aws/things", true],
  ["a/#", "a/$b", true],
])("the filter %s and the topic %s: %s", (filter, topic, matches) => {
  const tree = new SubscriptionTree<string, null>();
  tree.set(filter, "someone", null);
  const found: string[] = [];
  tree.match(topic, (subscriber) => found.push(subscriber));
  expect(found).toEqual(matches ? ["someone"] : []);
});

test.each(["", "a#", "a/#/b", "a+/b", "+a", "a\0", "a/".repeat(64)])("the filter %j is refused", (filter) => {
  expect(filterProblem(filter)).not.toBeNull();
});

function anyTopic(): fc.Arbitrary<string> {
  const level = fc.constantFrom("a", "b", "", "$s");
  return fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join("/"));
}

function anyFilter(): fc.Arbitrary<string> {
  const level = fc.constantFrom("a", "b", "", "$s", "+");
  return fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, rest]) => (rest ? [...levels.slice(1), "#"] : levels).join("/"));
}

function naiveMatch(filter: string, topic: string): boolean {
  if (topic.startsWith("$") && /^[+#]/.test(filter)) return false;
  const levels = filter.split("/").map((level) => (level === "+" ? "[^/]*" : level.replaceAll("$", "\\$")));
  const rest = levels.at(-1) === "#";
  const before = (rest ? levels.slice(0, -1) : levels).join("/");
  if (!rest) return new RegExp(`^${before}$`).test(topic);
  return levels.length === 1 || new RegExp(`^${before}(/.*)?$`).test(topic);
}
