/**
 * What a topic name and a topic filter may look like (MQTT 3.1.1 and 5.0, §4.7), and whether one matches the other.
 * UTF-8 itself is checked where bytes become strings; here is what a well-formed string may still get wrong.
 */

/** More levels than this are refused, so that no tree grows as deep as a hostile topic is long. */
export const maxTopicLevels = 64;

/** Why a PUBLISH (or a will) may not name this topic, or null. */
export function topicProblem(topic: string): string | null {
  if (topic.length === 0) return "an empty topic";
  for (let i = 0; i < topic.length; i++) {
    const code = topic.charCodeAt(i);
    if (code === 0) return "a null character in the topic"; // [MQTT-4.7.3-2]
    if (code === 0x2b || code === 0x23) return "a wildcard in the topic"; // [MQTT-3.3.2-2]
  }
  return null;
}

/** Why a SUBSCRIBE may not use this filter, or null. */
export function filterProblem(filter: string): string | null {
  if (filter.length === 0) return "an empty filter";
  if (filter.includes("\0")) return "a null character in the filter";
  const levels = filter.split("/");
  if (levels.length > maxTopicLevels) return `more than ${maxTopicLevels} levels in the filter`;
  for (const [i, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || i !== levels.length - 1)) return "# stands only alone and last"; // [MQTT-4.7.1-2]
    if (level.includes("+") && level !== "+") return "+ stands only alone between slashes"; // [MQTT-4.7.1-3]
  }
  return null;
}

/** `$share/group/filter`: a shared subscription (MQTT 5.0 §4.8.2), which this listener does not have. */
export function isShared(filter: string): boolean {
  return filter.startsWith("$share/") || filter === "$share";
}

/** True if the topic has more levels than a tree may be deep. */
export function tooDeep(topic: string): boolean {
  let levels = 1;
  for (let at = topic.indexOf("/"); at !== -1; at = topic.indexOf("/", at + 1)) {
    levels++;
    if (levels > maxTopicLevels) return true;
  }
  return false;
}
