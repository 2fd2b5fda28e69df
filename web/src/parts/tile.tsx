import "../style/tiles.css";
import type { ComponentChildren } from "preact";
import { Link } from "wouter-preact";

/** One number of the fleet. With `href` it leads to what is behind the number. */
export function Tile(props: {
  name: string;
  value: string;
  unit?: string;
  tone?: "online" | "offline" | "flapping" | "bad";
  note?: string;
  href?: string;
  children?: ComponentChildren;
}) {
  const inside = (
    <>
      <span class="tile-name">
        {props.tone && <i class={`dot ${props.tone}`} aria-hidden="true" />}
        {props.name}
      </span>
      <span class="tile-value">
        {props.value}
        {props.unit && <small> {props.unit}</small>}
      </span>
      {props.note && <span class="tile-note">{props.note}</span>}
      {props.children}
    </>
  );
  return props.href ? (
    <Link class="tile" href={props.href}>
      {inside}
    </Link>
  ) : (
    <div class="tile">{inside}</div>
  );
}
