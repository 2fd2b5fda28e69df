import { useEffect, useRef } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import mark from "../mark.svg?url";
import { nextTheme, theme } from "../theme.ts";
import { Connection } from "./connection.tsx";
import { Icon } from "./icon.tsx";

const places = [
  { href: "/", name: "Fleet" },
  { href: "/devices", name: "Devices" },
  { href: "/history", name: "History" },
  { href: "/quality", name: "Quality" },
  { href: "/dead-letters", name: "Dead letters" },
  { href: "/cluster", name: "Cluster" },
];
const themeNames = { system: "as the system", light: "light", dark: "dark" };

export function Header() {
  const [path] = useLocation();
  const nav = useRef<HTMLElement>(null);
  // On a phone the pages do not all fit beside each other.
  useEffect(() => {
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [path]);
  return (
    <header class="top">
      <div class="top-in">
        <Link href="/" class="brand" aria-label="Doppel, fleet overview">
          <img src={mark} alt="" width="24" height="24" />
          <span>Doppel</span>
        </Link>
        <nav ref={nav} aria-label="Pages">
          {places.map(({ href, name }) => {
            const here = href === "/" ? path === "/" : path.startsWith(href);
            return (
              <Link key={href} href={href} {...(here ? { "aria-current": "page" as const } : {})}>
                {name}
              </Link>
            );
          })}
        </nav>
        <div class="top-end">
          <Connection />
          <a class="quiet-link wide" href="/docs">
            API
          </a>
          <button
            type="button"
            class="icon-button"
            onClick={nextTheme}
            aria-label={`Colours: ${themeNames[theme.value]}. Change`}
            title={`Colours: ${themeNames[theme.value]}`}
          >
            <Icon name={theme.value} />
          </button>
        </div>
      </div>
    </header>
  );
}
