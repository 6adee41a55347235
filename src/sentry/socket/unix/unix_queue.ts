// hot: what one unix socket sends and another has yet to receive.

import type { File } from "../../vfs/file.ts";
import { ByteRing } from "../../fs/pipe/byte_ring.ts";
import type { SenderCredentials } from "../message.ts";

/** What each datagram counts beside its bytes, as Linux counts the head of a buffer. */
const OVERHEAD = 512;

/** Descriptions in flight, which the limit on open files holds as well. */
export let filesInFlight = 0;

/** Counts descriptions that start (or, negative, end) to travel. */
export function countInFlight(by: number): void {
  filesInFlight += by;
}

/** What goes with a stretch of a stream, from its first byte on. */
export class Mark {
  /** Bytes of the stream before it, since the connection was made. */
  readonly at: number;
  rights: File[] | null;
  readonly credentials: SenderCredentials | null;

  constructor(at: number, rights: File[] | null, credentials: SenderCredentials | null) {
    this.at = at;
    this.rights = rights;
    this.credentials = credentials;
  }
}

/** A datagram. */
export class Datagram {
  readonly data: Uint8Array;
  readonly length: number;
  readonly from: string | null;
  rights: File[] | null;
  readonly credentials: SenderCredentials | null;

  constructor(
    data: Uint8Array,
    length: number,
    from: string | null,
    rights: File[] | null,
    credentials: SenderCredentials | null,
  ) {
    this.data = data;
    this.length = length;
    this.from = from;
    this.rights = rights;
    this.credentials = credentials;
  }

  /** What it counts against the sender's buffer. */
  get weight(): number {
    return this.length + OVERHEAD;
  }
}

/** Drops descriptions that will never arrive. */
export function dropInFlight(rights: File[] | null): void {
  if (rights === null) return;
  countInFlight(-rights.length);
  for (const file of rights) file.unref();
}

/** The bytes of a stream on their way, with the marks between them. */
export class StreamQueue {
  readonly ring: ByteRing;
  marks: Mark[] | null;
  /** Bytes that were taken out before. */
  private taken: number;

  constructor(capacity: number) {
    this.ring = new ByteRing(capacity);
    this.marks = null;
    this.taken = 0;
  }

  get length(): number {
    return this.ring.length;
  }

  /** The position of the next byte to be written. */
  get end(): number {
    return this.taken + this.ring.length;
  }

  addMark(mark: Mark): void {
    if (this.marks === null) this.marks = [mark];
    else this.marks.push(mark);
  }

  /** The mark that the next byte stands behind, or null. */
  get firstMark(): Mark | null {
    const marks = this.marks;
    return marks !== null && marks[0].at <= this.taken ? marks[0] : null;
  }

  /** Bytes up to the next mark after the first. */
  get run(): number {
    const marks = this.marks;
    if (marks === null) return this.ring.length;
    const next = marks[0].at <= this.taken ? marks[1] : marks[0];
    return next === undefined ? this.ring.length : next.at - this.taken;
  }

  /** Notes that `count` bytes were taken out; drops marks whose stretch has ended. */
  took(count: number): void {
    this.taken += count;
    const marks = this.marks;
    if (marks === null) return;
    while (marks.length > 0) {
      const end = marks.length > 1 ? marks[1].at : Infinity;
      if (end > this.taken && !(end === Infinity && this.ring.length === 0)) break;
      dropInFlight(marks[0].rights);
      marks.shift();
    }
    if (marks.length === 0) this.marks = null;
  }

  /** Drops everything. */
  release(): void {
    this.ring.release();
    if (this.marks !== null) { for (const mark of this.marks) dropInFlight(mark.rights); }
    this.marks = null;
  }
}

/** Datagrams on their way to one socket. */
export class DatagramQueue {
  private readonly messages: Datagram[];
  private head: number;
  /** Sum of the weights. */
  weight: number;
  /** Bytes in all of them. */
  bytes: number;

  constructor() {
    this.messages = [];
    this.head = 0;
    this.weight = 0;
    this.bytes = 0;
  }

  get count(): number {
    return this.messages.length - this.head;
  }

  get first(): Datagram | null {
    return this.head < this.messages.length ? this.messages[this.head] : null;
  }

  push(d: Datagram): void {
    this.messages.push(d);
    this.weight += d.weight;
    this.bytes += d.length;
  }

  shift(): void {
    const d = this.messages[this.head++];
    this.weight -= d.weight;
    this.bytes -= d.length;
    if (this.head === this.messages.length) {
      this.messages.length = 0;
      this.head = 0;
    } else if (this.head > 256) {
      this.messages.splice(0, this.head);
      this.head = 0;
    }
  }

  release(): void {
    while (this.first !== null) {
      dropInFlight(this.first.rights);
      this.first.rights = null;
      this.shift();
    }
  }
}
