import { signal } from "@preact/signals";

const slot = "doppel-api-key";

/** The key that the server asks for when it does not trust everyone; kept for this tab only. Empty: none. */
export const apiKey = signal(sessionStorage.getItem(slot) ?? "");

/** True while the server refuses us for want of a (valid) key: the key dialog is open. */
export const keyWanted = signal(false);

export function keepKey(key: string): void {
  sessionStorage.setItem(slot, key);
  apiKey.value = key;
  keyWanted.value = false;
}
