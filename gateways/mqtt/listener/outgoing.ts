import type { Delivery } from "./publish-encoder.ts";

/** The way to the client while it is connected. */
export interface Way {
  /** False while it has too many bytes that the client has not taken. */
  ready(): boolean;
  /** False if the client does not take a packet of that size: the message counts as sent and acknowledged. */
  publish(delivery: Delivery, packetId: number, dup: boolean): boolean;
  /** PUBREL. */
  release(packetId: number): void;
  /** Most QoS 1 and 2 publishes that the client takes unacknowledged. */
  readonly window: number;
}

export type OutgoingLimits = {
  readonly maxQueuedMessages: number;
  readonly maxQueuedBytes: number;
  readonly maxRetainedBacklog: number;
};

/**
 * The sender's side of one session: what waits for the client and what it has not acknowledged.
 *
 * O1 QoS 1 and 2 messages leave in the order in which they came; QoS 0 does not wait, except retained ones.
 * O2 The queue is bounded by number and bytes; the oldest is dropped and counted.
 * O3 What was sent and not acknowledged is sent again, in order and with DUP, when a session is resumed
 *    [MQTT-4.4.0-1]; never while the connection lasts (MQTT 5.0 §4.4).
 */
export class Outgoing {
  readonly #limits: OutgoingLimits;
  readonly #dropped: (count: number) => void;
  readonly #now: () => number;
  #way: Way | null = null;
  /** Retained messages for new subscriptions: references into the retained map, so not counted as queued. */
  #backlog: Delivery[] = [];
  #queue: Delivery[] = [];
  #queuedBytes = 0;
  readonly #inflight = new Map<number, { delivery: Delivery | null }>();
  #lastPacketId = 0;

  constructor(limits: OutgoingLimits, now: () => number, dropped: (count: number) => void) {
    this.#limits = limits;
    this.#now = now;
    this.#dropped = dropped;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get inflight(): number {
    return this.#inflight.size;
  }

  /** The client is there (again). */
  attach(way: Way): void {
    this.#way = way;
    for (const [packetId, open] of [...this.#inflight]) {
      if (open.delivery === null) way.release(packetId);
      else if (!way.publish(open.delivery, packetId, true)) this.#inflight.delete(packetId); // O3
    }
    this.pump();
  }

  detach(): void {
    this.#way = null;
  }

  /** True if it was sent or will be. */
  deliver(delivery: Delivery): boolean {
    if (delivery.qos === 0) {
      if (this.#way === null) return false;
      if (this.#way.ready() && this.#way.publish(delivery, 0, false)) return true;
      this.#dropped(1);
      return false;
    }
    this.#queue.push(delivery);
    this.#queuedBytes += bytesOf(delivery);
    this.pump();
    let dropped = 0;
    while (
      this.#queue.length > this.#limits.maxQueuedMessages ||
      (this.#queuedBytes > this.#limits.maxQueuedBytes && this.#queue.length > 0)
    ) {
      this.#queuedBytes -= bytesOf(this.#queue.shift()!); // O2
      dropped++;
    }
    if (dropped > 0) this.#dropped(dropped);
    return true;
  }

  deliverRetained(deliveries: readonly Delivery[]): void {
    const room = Math.max(0, this.#limits.maxRetainedBacklog - this.#backlog.length);
    this.#backlog = this.#backlog.concat(deliveries.slice(0, room));
    if (deliveries.length > room) this.#dropped(deliveries.length - room);
    this.pump();
  }

  /** Sends what the client's window and buffer allow. */
  pump(): void {
    const way = this.#way;
    if (way === null) return;
    let sent = 0;
    for (const delivery of this.#backlog) {
      if (!this.#sendNow(way, delivery)) break;
      sent++;
    }
    if (sent > 0) this.#backlog.splice(0, sent);
    if (this.#backlog.length > 0) return;
    sent = 0;
    for (const delivery of this.#queue) {
      if (!this.#sendNow(way, delivery)) break;
      this.#queuedBytes -= bytesOf(delivery);
      sent++;
    }
    if (sent > 0) this.#queue.splice(0, sent);
  }

  /** PUBACK, PUBCOMP, or a PUBREC that refuses: the message is done. False if the packet id is not known. */
  acknowledged(packetId: number): boolean {
    if (!this.#inflight.delete(packetId)) return false;
    this.pump();
    return true;
  }

  /** PUBREC: the client has it, PUBREL is next. */
  received(packetId: number): boolean {
    const open = this.#inflight.get(packetId);
    if (open === undefined) return false;
    open.delivery = null;
    return true;
  }

  /** False if it has to wait. */
  #sendNow(way: Way, delivery: Delivery): boolean {
    const expiresAtMs = delivery.message.expiresAtMs;
    if (expiresAtMs !== null && expiresAtMs <= this.#now()) return true; // [MQTT-3.3.2-5]
    if (!way.ready()) return false;
    if (delivery.qos === 0) {
      way.publish(delivery, 0, false);
      return true;
    }
    if (this.#inflight.size >= way.window) return false;
    const packetId = this.#nextPacketId();
    if (way.publish(delivery, packetId, false)) this.#inflight.set(packetId, { delivery });
    return true;
  }

  #nextPacketId(): number {
    do this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1;
    while (this.#inflight.has(this.#lastPacketId));
    return this.#lastPacketId;
  }
}

function bytesOf(delivery: Delivery): number {
  return delivery.message.payload.length + delivery.message.topic.length + 64;
}
