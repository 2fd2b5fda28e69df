import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
const slot = "doppel-theme";
const stored = localStorage.getItem(slot);

export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");
/** What is drawn: for canvases, which must be drawn again when it changes. */
export const drawn = signal<"light" | "dark">("light");

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => {
  systemDark.value = system.matches;
});

effect(() => {
  const chosen = theme.value;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  localStorage.setItem(slot, chosen);
  drawn.value = chosen === "system" ? (systemDark.value ? "dark" : "light") : chosen;
});

const order: Theme[] = ["system", "light", "dark"];

export function nextTheme(): void {
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length] ?? "system";
}

/** The colour that `var(--name)` stands for now, as `rgb(…)`: canvases cannot read custom properties. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
