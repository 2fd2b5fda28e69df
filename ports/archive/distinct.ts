/** Distinct texts, numbered from 0 in the order in which they came. */
export class Distinct {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #stored: (text: string) => string;

  /** @param stored how a text is kept: those that become the same are one */
  constructor(stored: (text: string) => string = (text) => text) {
    this.#stored = stored;
  }

  get size(): number {
    return this.#texts.length;
  }

  number(text: string): number {
    return this.#numbers.get(text) ?? this.#added(text);
  }

  /** @param number below `size` */
  text(number: number): string {
    return this.#texts[number]!;
  }

  #added(text: string): number {
    const stored = this.#stored(text);
    let number = this.#numbers.get(stored);
    if (number === undefined) {
      number = this.#texts.push(stored) - 1;
      this.#numbers.set(stored, number);
    }
    this.#numbers.set(text, number);
    return number;
  }
}
