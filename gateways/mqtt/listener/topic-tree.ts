/** Values by topic, found by filter: the mirror image of the subscription tree, with the same rules T1 and T2. */
export class TopicTree<Value> {
  readonly #root: Node<Value> = { children: null, value: undefined };

  set(topic: string, value: Value): void {
    let node = this.#root;
    for (const level of topic.split("/")) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = { children: null, value: undefined };
        node.children.set(level, child);
      }
      node = child;
    }
    node.value = value;
  }

  get(topic: string): Value | undefined {
    let node: Node<Value> | undefined = this.#root;
    for (const level of topic.split("/")) {
      node = node.children?.get(level);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  delete(topic: string): void {
    const levels = topic.split("/");
    const path = [this.#root];
    for (const level of levels) {
      const child = path.at(-1)!.children?.get(level);
      if (child === undefined) return;
      path.push(child);
    }
    path.at(-1)!.value = undefined;
    for (let depth = levels.length; depth > 0; depth--) {
      const node = path[depth]!;
      if (node.children?.size === 0) node.children = null;
      if (node.value !== undefined || node.children !== null) break;
      path[depth - 1]!.children!.delete(levels[depth - 1]!);
    }
  }

  /** The values whose topic the filter matches. */
  find(filter: string): Value[] {
    const found: Value[] = [];
    collect(this.#root, filter.split("/"), 0, found);
    return found;
  }
}

type Node<Value> = { children: Map<string, Node<Value>> | null; value: Value | undefined };

function collect<Value>(node: Node<Value>, levels: readonly string[], depth: number, found: Value[]): void {
  const level = levels[depth];
  if (level === undefined) {
    if (node.value !== undefined) found.push(node.value);
  } else if (level === "#") {
    collectAll(node, depth, found);
  } else if (level === "+") {
    for (const [name, child] of node.children ?? []) {
      if (depth > 0 || !name.startsWith("$")) collect(child, levels, depth + 1, found);
    }
  } else {
    const child = node.children?.get(level);
    if (child !== undefined) collect(child, levels, depth + 1, found);
  }
}

function collectAll<Value>(node: Node<Value>, depth: number, found: Value[]): void {
  if (node.value !== undefined) found.push(node.value);
  for (const [name, child] of node.children ?? []) {
    if (depth > 0 || !name.startsWith("$")) collectAll(child, depth + 1, found);
  }
}
