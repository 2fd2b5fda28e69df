import { useState } from "preact/hooks";

/** Where one is in a list that is paged by cursors: those of the pages before, so that one can go back. */
export type PagerState = {
  cursor: string | null;
  /** 0 for the first page. */
  page: number;
  forward: (next: string) => void;
  back: () => void;
  restart: () => void;
};

export function usePager(): PagerState {
  const [trail, setTrail] = useState<string[]>([]);
  return {
    cursor: trail.at(-1) ?? null,
    page: trail.length,
    forward: (next) => setTrail([...trail, next]),
    back: () => setTrail(trail.slice(0, -1)),
    restart: () => setTrail((before) => (before.length === 0 ? before : [])),
  };
}

export function Pager(props: {
  pager: PagerState;
  next: string | null;
  shown: number;
  what: string;
  size?: number;
  total?: number;
}) {
  const { pager, next, shown, what, size, total } = props;
  const first = size === undefined ? null : pager.page * size + 1;
  return (
    <nav class="pager" aria-label={`Pages of ${what}`}>
      <span class="quiet">
        {first !== null && total !== undefined && shown > 0
          ? `${first.toLocaleString("en")}–${(first + shown - 1).toLocaleString("en")} of ${total.toLocaleString("en")}`
          : `Page ${pager.page + 1}`}
      </span>
      <button type="button" disabled={pager.page === 0} onClick={pager.back}>
        Previous
      </button>
      <button type="button" disabled={next === null} onClick={() => next !== null && pager.forward(next)}>
        Next
      </button>
    </nav>
  );
}
