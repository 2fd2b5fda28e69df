import { Link } from "wouter-preact";
import { useTitle } from "../parts/use-title.ts";

export function NotFound() {
  useTitle("Not found");
  return (
    <section class="empty">
      <h1>Nothing is here</h1>
      <p>
        The address leads nowhere. Go to the <Link href="/">fleet</Link> or the <Link href="/devices">devices</Link>.
      </p>
    </section>
  );
}
