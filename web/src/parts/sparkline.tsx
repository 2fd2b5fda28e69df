/** A line without axes, for the shape of the last minute. Read aloud elsewhere: hidden from screen readers. */
export function Sparkline(props: { values: number[]; slots?: number }) {
  const { values } = props;
  const slots = props.slots ?? values.length;
  const top = Math.max(1e-9, ...values);
  const at = (value: number, index: number) =>
    `${(((slots - values.length + index) / (slots - 1)) * 100).toFixed(2)},${(24 - (value / top) * 22).toFixed(2)}`;
  const line = values.map(at).join(" ");
  const start = (((slots - values.length) / (slots - 1)) * 100).toFixed(2);
  return (
    <svg class="sparkline" viewBox="0 0 100 25" preserveAspectRatio="none" aria-hidden="true">
      {values.length > 1 && <polygon points={`${start},25 ${line} 100,25`} />}
      {values.length > 1 && <polyline points={line} />}
    </svg>
  );
}
