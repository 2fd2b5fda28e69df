import type { GeoPermissibleObjects } from "d3-geo";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { api } from "../api.ts";
import { formatNumber } from "../format.ts";
import { loadLand } from "../land.ts";
import { type Cluster, clusterAt, clusters } from "../map-clusters.ts";
import { drawMap, place, worldPaths } from "../map-drawing.ts";
import { clampView, fitted, type MapView, wholeWorld, zoomed } from "../map-view.ts";
import { colour, drawn } from "../theme.ts";
import { useLive, useThrottled } from "../use-live.ts";
import { useResource } from "../use-resource.ts";
import { Icon } from "./icon.tsx";
import { ProblemBox } from "./problem-box.tsx";
import { useWidth } from "./use-width.ts";

/** Devices on the world's coastline, coloured by status. Drag to move, buttons, keys or pinch to zoom. */
export function FleetMap() {
  const points = useResource("map", api.map);
  const [land, setLand] = useState<GeoPermissibleObjects | null>(null);
  const [view, setView] = useState<MapView>(wholeWorld);
  const [pointed, setPointed] = useState<Cluster | null>(null);
  const [changes, setChanges] = useState(0);
  const [, go] = useLocation();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const width = useWidth(box);
  const frame = useMemo(() => ({ width, height: Math.round(Math.max(190, width * 0.462)) }), [width]);

  useEffect(() => {
    loadLand().then(setLand, () => setLand(null)); // without it the dots still show
  }, []);
  const world = useMemo(() => (land && width > 0 ? worldPaths(land, frame) : null), [land, frame, width]);
  const placed = useMemo(
    () => (width > 0 ? place(points.data?.devices ?? [], frame) : []),
    [points.data, frame, width],
  );
  const byId = useMemo(() => new Map(placed.map((device) => [device.id, device])), [placed]);

  const redraw = useThrottled(() => setChanges((count) => count + 1), 200);
  const refetch = useThrottled(points.reload, 15_000);
  useLive("fleet", (message) => {
    if (message.type !== "presence") return;
    const device = byId.get(message.device);
    if (!device) return refetch(); // a device that is new, or has no place
    device.online = message.status === "online";
    redraw();
  });

  const shade = drawn.value;
  const shown = useMemo(() => clusters(placed, view), [placed, view, changes]);
  useEffect(() => {
    if (!canvas.current || width === 0) return;
    drawMap(canvas.current, frame, view, world, shown, {
      land: colour("land"),
      coast: colour("coast"),
      grid: colour("grid"),
      online: colour("online"),
      offline: colour("offline"),
      rim: colour("surface"),
    });
  }, [frame, view, world, shown, shade, width]);

  const zoomBy = (factor: number, x = frame.width / 2, y = frame.height / 2) =>
    setView((before) => zoomed(before, factor, x, y, frame));
  const move = (x: number, y: number) =>
    setView((before) => clampView({ scale: before.scale, x: before.x + x, y: before.y + y }, frame));
  const fit = () =>
    setView(
      view.scale > 1
        ? wholeWorld
        : fitted(
            placed.map(({ x, y }) => [x, y]),
            frame,
          ),
    );
  const at = (event: MouseEvent) => {
    const edge = canvas.current?.getBoundingClientRect();
    return { x: event.clientX - (edge?.left ?? 0), y: event.clientY - (edge?.top ?? 0) };
  };

  // The wheel scrolls the page; with Ctrl (which is how a pinch on a touch pad arrives) it zooms the map.
  useEffect(() => {
    const element = canvas.current;
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { x, y } = at(event);
      setView((before) => zoomed(before, Math.exp(-event.deltaY / 200), x, y, frame));
    };
    element?.addEventListener("wheel", onWheel, { passive: false });
    return () => element?.removeEventListener("wheel", onWheel);
  }, [frame]);

  const onKeyDown = (event: KeyboardEvent) => {
    const acts: Record<string, () => void> = {
      "+": () => zoomBy(1.6),
      "=": () => zoomBy(1.6),
      "-": () => zoomBy(1 / 1.6),
      "0": () => setView(wholeWorld),
      ArrowLeft: () => move(60, 0),
      ArrowRight: () => move(-60, 0),
      ArrowUp: () => move(0, 60),
      ArrowDown: () => move(0, -60),
    };
    const act = acts[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  };

  const onPointerMove = (event: PointerEvent) => {
    const { x, y } = at(event);
    if (drag.current) {
      const { x: fromX, y: fromY, moved } = drag.current;
      if (!moved && Math.hypot(x - fromX, y - fromY) < 4) return;
      drag.current = { x, y, moved: true };
      move(x - fromX, y - fromY);
      return;
    }
    setPointed(clusterAt(shown, x, y));
  };

  const online = placed.filter((device) => device.online).length;
  const summary = `World map of ${formatNumber(placed.length)} devices with a location: ${formatNumber(online)} online, ${formatNumber(placed.length - online)} offline. Plus and minus zoom, arrow keys move.`;
  return (
    <div class="map" ref={box}>
      {points.problem && <ProblemBox problem={points.problem} onRetry={points.reload} />}
      {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: it is moved and zoomed by keys */}
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={summary}
        style={{ height: `${frame.height}px`, cursor: pointed ? "pointer" : view.scale > 1 ? "grab" : "default" }}
        onKeyDown={onKeyDown}
        onPointerDown={(event) => {
          drag.current = { ...at(event), moved: false };
          if (view.scale > 1) event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setPointed(null)}
        onPointerUp={(event) => {
          const moved = drag.current?.moved;
          drag.current = null;
          const { x, y } = at(event);
          const cluster = moved ? null : clusterAt(shown, x, y);
          if (cluster?.id) go(`/devices/${encodeURIComponent(cluster.id)}`);
          else if (cluster) zoomBy(3, cluster.x, cluster.y);
        }}
      />
      {pointed && <Pointed cluster={pointed} width={frame.width} />}
      <fieldset class="map-buttons">
        <legend class="visually-hidden">Zoom</legend>
        <button type="button" aria-label="Zoom in" onClick={() => zoomBy(1.8)}>
          <Icon name="plus" />
        </button>
        <button type="button" aria-label="Zoom out" disabled={view.scale === 1} onClick={() => zoomBy(1 / 1.8)}>
          <Icon name="minus" />
        </button>
        <button type="button" aria-label={view.scale > 1 ? "Whole world" : "Fit to the devices"} onClick={fit}>
          <Icon name="fit" />
        </button>
      </fieldset>
      {points.data && placed.length === 0 && (
        <p class="map-none">No device has told its location. Set latitude and longitude in its registration.</p>
      )}
    </div>
  );
}

function Pointed(props: { cluster: Cluster; width: number }) {
  const { x, y, count, online, radius, id } = props.cluster;
  const offline = count - online;
  return (
    <div
      class={x > props.width / 2 ? "map-tip left" : "map-tip"}
      style={{ left: `${x + (x > props.width / 2 ? -radius : radius)}px`, top: `${y}px` }}
    >
      {id ? (
        <>
          <i class={`dot ${online > 0 ? "online" : "offline"}`} /> <span class="id">{id}</span>
        </>
      ) : (
        `${formatNumber(count)} devices${offline > 0 ? `, ${formatNumber(offline)} offline` : ""}`
      )}
    </div>
  );
}
