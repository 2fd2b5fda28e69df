import { signal } from "@preact/signals";

/** Now, epoch ms, once a second: for everything that says how long ago something was. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);
