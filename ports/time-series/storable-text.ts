/**
 * Text as PostgreSQL can hold it: its `text` knows no U+0000, its UTF-8 no half of a surrogate pair. Both become U+FFFD,
 * which is visible. What is only kept and never searched is stored as JSON text instead, where both are escapes.
 */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\u0000", "\ufffd");
}

/** A flat object of strings as JSON that `jsonb` accepts. */
export function storableJson(strings: Readonly<Record<string, string>>): string {
  const entries = Object.entries(strings).map(([key, value]) => [storableText(key), storableText(value)]);
  return JSON.stringify(Object.fromEntries(entries));
}
