/**
 * Who wants a topic: a trie of filter levels, with `+` and `#` as levels like any other.
 *
 * T1 A topic that begins with `$` is not matched by a filter that begins with a wildcard [MQTT-4.7.2-1].
 * T2 `a/#` matches `a` too (MQTT 3.1.1 §4.7.1.2).
 * T3 A node that holds nothing is removed, so that memory follows what is subscribed now.
 */
export class SubscriptionTree<Subscriber, Subscription> {
  readonly #root: Node<Subscriber, Subscription> = newNode();
  #size = 0;

  /** Filters held, counted once per subscriber. */
  get size(): number {
    return this.#size;
  }

  /** Adds or replaces the subscriber's subscription to this filter. */
  set(filter: string, subscriber: Subscriber, subscription: Subscription): void {
    let node = this.#root;
    for (const level of filter.split("/")) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = newNode();
        node.children.set(level, child);
      }
      node = child;
    }
    node.held ??= new Map();
    if (!node.held.has(subscriber)) this.#size++;
    node.held.set(subscriber, subscription);
  }

  /** False if there was none. */
  delete(filter: string, subscriber: Subscriber): boolean {
    const levels = filter.split("/");
    const path = [this.#root];
    for (const level of levels) {
      const child = path.at(-1)?.children?.get(level);
      if (child === undefined) return false;
      path.push(child);
    }
    const held = path.at(-1)?.held;
    if (!held?.delete(subscriber)) return false;
    this.#size--;
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth]!;
      if (node.held?.size === 0) node.held = null;
      if (node.children?.size === 0) node.children = null;
      if (node.held !== null || node.children !== null) break;
      path[depth - 1]!.children!.delete(levels[depth - 1]!); // T3
    }
    return true;
  }

  /** Calls `visit` for each subscription that matches; a subscriber with overlapping filters is visited for each. */
  match(topic: string, visit: (subscriber: Subscriber, subscription: Subscription) => void): void {
    if (this.#size === 0) return;
    walk(this.#root, topic.split("/"), 0, topic.startsWith("$"), visit);
  }
}

type Node<Subscriber, Subscription> = {
  children: Map<string, Node<Subscriber, Subscription>> | null;
  held: Map<Subscriber, Subscription> | null;
};

function newNode<Subscriber, Subscription>(): Node<Subscriber, Subscription> {
  return { children: null, held: null };
}

function walk<Subscriber, Subscription>(
  node: Node<Subscriber, Subscription>,
  levels: readonly string[],
  depth: number,
  literalFirst: boolean,
  visit: (subscriber: Subscriber, subscription: Subscription) => void,
): void {
  const wildcards = depth > 0 || !literalFirst; // T1
  if (wildcards) visitAll(node.children?.get("#"), visit); // T2: at every depth, the last included
  if (depth === levels.length) {
    visitAll(node, visit);
    return;
  }
  if (node.children === null) return;
  const exact = node.children.get(levels[depth]!);
  if (exact !== undefined) walk(exact, levels, depth + 1, literalFirst, visit);
  const any = wildcards ? node.children.get("+") : undefined;
  if (any !== undefined) walk(any, levels, depth + 1, literalFirst, visit);
}

function visitAll<Subscriber, Subscription>(
  node: Node<Subscriber, Subscription> | undefined,
  visit: (subscriber: Subscriber, subscription: Subscription) => void,
): void {
  if (node === undefined || node.held === null) return;
  for (const [subscriber, subscription] of node.held) visit(subscriber, subscription);
}
