/** The two queues of an io_uring(7) in memory that it shares with its program, and its description. */
// hot: a program that uses rings makes few other system calls.

import { EIO } from "../../../abi/errno.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import {
  IORING_OFF_CQ_RING,
  IORING_OFF_SQES,
  IORING_SQ_CQ_OVERFLOW,
} from "../../../abi/io_uring.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import type { EventFile } from "../../fs/eventfd/eventfd.ts";
import type { Credentials } from "../../kernel/credentials.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/task.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { FrameAllocator } from "../../mm/frames.ts";
import type { BackgroundWork, MemoryManager } from "../../mm/memory_manager.ts";
import type { PageSource } from "../../mm/page_cache.ts";
import type { Vma } from "../../mm/vma.ts";
import { AnonInode } from "../../vfs/anon.ts";
import { File } from "../../vfs/file.ts";
import { RequestQueue } from "./requests.ts";

const PAGE = 4096;
/** Size of a submission and of a completion. */
export const SQE_SIZE = 64;
export const CQE_SIZE = 16;
/** Completions that wait for room in the ring, at most. */
const MOST_WAITING = 65536;

/** Where things are in the memory of the rings: what io_uring_setup(2) tells. Heads and tails have lines of their own. */
export const SQ_HEAD = 0;
export const SQ_TAIL = 64;
export const SQ_MASK = 128;
export const SQ_ENTRIES = 132;
export const SQ_FLAGS = 136;
export const SQ_DROPPED = 140;
export const CQ_HEAD = 192;
export const CQ_TAIL = 256;
export const CQ_MASK = 320;
export const CQ_ENTRIES = 324;
export const CQ_FLAGS = 328;
export const CQ_OVERFLOW = 332;
export const CQES = 384;

/** The pages of a ring, at the three places that mmap(2) knows. */
class RingPages implements PageSource {
  readonly tracksWrites = false;

  constructor(
    readonly ringFrame: number,
    readonly ringPages: number,
    readonly entryFrame: number,
    readonly entryPages: number,
  ) {}

  getPage(index: number, _write: boolean): number {
    const entry = index - IORING_OFF_SQES / PAGE;
    if (entry >= 0) return entry < this.entryPages ? this.entryFrame + entry : -EIO;
    const ring = index >= IORING_OFF_CQ_RING / PAGE ? index - IORING_OFF_CQ_RING / PAGE : index;
    return ring < this.ringPages ? this.ringFrame + ring : -EIO;
  }

  run(index: number, max: number): number {
    const entry = index - IORING_OFF_SQES / PAGE;
    if (entry >= 0) return Math.max(0, Math.min(max, this.entryPages - entry));
    const ring = index >= IORING_OFF_CQ_RING / PAGE ? index - IORING_OFF_CQ_RING / PAGE : index;
    return Math.max(0, Math.min(max, this.ringPages - ring));
  }

  prefetch(_index: number, _count: number): void {}

  addMapping(_mm: MemoryManager, _vma: Vma): void {}

  removeMapping(_vma: Vma): void {}
}

/** A registered buffer. */
export interface RegisteredBuffer {
  readonly address: number;
  readonly length: number;
}

/** How large a ring is, and its flags. */
export interface RingSize {
  readonly submissions: number;
  readonly completions: number;
  readonly flags: number;
  /** Submissions are taken in order, without an array of indices. */
  readonly direct: boolean;
}

/** An open io_uring. */
export class RingFile extends File implements BackgroundWork {
  readonly kernel: Kernel;
  readonly size: RingSize;
  readonly #frames: FrameAllocator;
  readonly #words: Int32Array;
  /** Byte offsets in kernel memory. */
  readonly #rings: number;
  readonly #entries: number;
  readonly #pages: RingPages;
  readonly array: number;
  /** Tails that only the kernel moves; what the program writes there does not matter. */
  #sqHead = 0;
  #cqTail = 0;
  readonly #waiting: [low: number, high: number, result: number, flags: number][] = [];
  readonly #queue: WaitQueue = new WaitQueue();
  readonly requests: RequestQueue;
  /** IORING_SETUP_R_DISABLED: nothing is taken yet. */
  disabled = false;
  eventFile: EventFile | null = null;
  /** Only what does not end at once is told to `eventFile`. */
  eventAsync = false;
  files: (File | null)[] | null = null;
  buffers: (RegisteredBuffer | null)[] | null = null;
  readonly personalities: Map<number, Credentials> = new Map();
  nextPersonality = 1;
  readonly #users: Set<MemoryManager> = new Set();

  private constructor(t: Task, size: RingSize, ringFrame: number, pages: RingPages) {
    const { vfs } = t.kernel;
    const inode = new AnonInode(vfs.anon.anon, 0o600);
    inode.pages = pages;
    super(vfs.anon.anon.path("anon_inode:[io_uring]", inode), O_RDWR);
    this.kernel = t.kernel;
    this.size = size;
    this.#frames = t.kernel.frames;
    this.#words = t.kernel.futexes.words;
    this.#pages = pages;
    this.#rings = ringFrame * PAGE;
    this.#entries = pages.entryFrame * PAGE;
    this.array = CQES + CQE_SIZE * size.completions;
    this.requests = new RequestQueue(this);
    this.#set(SQ_MASK, size.submissions - 1);
    this.#set(SQ_ENTRIES, size.submissions);
    this.#set(CQ_MASK, size.completions - 1);
    this.#set(CQ_ENTRIES, size.completions);
  }

  /** Makes a ring; -ENOMEM if there is no memory for it. */
  static make(t: Task, size: RingSize): RingFile | number {
    const { frames } = t.kernel;
    const bytes = CQES + CQE_SIZE * size.completions + 4 * size.submissions;
    const ringPages = Math.ceil(bytes / PAGE);
    const entryPages = Math.ceil(SQE_SIZE * size.submissions / PAGE);
    const first = frames.alloc(ringPages + entryPages);
    if (first < 0) return first;
    const pages = new RingPages(first, ringPages, first + ringPages, entryPages);
    return new RingFile(t, size, first, pages);
  }

  override get queue(): WaitQueue {
    return this.#queue;
  }

  override poll(_t: Task | null): number {
    let mask = 0;
    if (this.ready > 0) mask |= POLLIN | POLLRDNORM;
    if (this.#submitted() < this.size.submissions) mask |= POLLOUT | POLLWRNORM;
    return mask;
  }

  override mmap(): number {
    return 0;
  }

  #word(offset: number): number {
    return (this.#rings + offset) / 4;
  }

  #set(offset: number, value: number): void {
    Atomics.store(this.#words, this.#word(offset), value | 0);
  }

  /** Submissions that wait to be taken. */
  #submitted(): number {
    const tail = Atomics.load(this.#words, this.#word(SQ_TAIL)) >>> 0;
    return (tail - this.#sqHead) >>> 0;
  }

  /** Completions that the program has not taken, those without room included. */
  get ready(): number {
    const head = Atomics.load(this.#words, this.#word(CQ_HEAD)) >>> 0;
    const inRing = (this.#cqTail - head) >>> 0;
    return (inRing > this.size.completions ? 0 : inRing) + this.#waiting.length;
  }

  /** Copies the next submission to `entry`; false if there is none. */
  take(entry: Uint8Array): boolean {
    const { submissions, direct } = this.size;
    for (let budget = submissions; budget > 0; budget--) {
      const waiting = this.#submitted();
      if (waiting === 0 || waiting > submissions) return false;
      let index = this.#sqHead & (submissions - 1);
      if (!direct) {
        index = Atomics.load(this.#words, this.#word(this.array + 4 * index)) >>> 0;
      }
      const valid = index < submissions;
      if (valid) {
        const at = this.#entries + SQE_SIZE * index;
        entry.set(this.#frames.memory.subarray(at, at + SQE_SIZE));
      } else {
        const dropped = this.#word(SQ_DROPPED);
        Atomics.add(this.#words, dropped, 1);
      }
      this.#sqHead = (this.#sqHead + 1) >>> 0;
      this.#set(SQ_HEAD, this.#sqHead);
      if (valid) return true;
    }
    return false;
  }

  /** Tells the program of the end of a request. */
  complete(low: number, high: number, result: number, flags: number, atOnce: boolean): void {
    if (this.#waiting.length > 0 || !this.#put(low, high, result, flags)) {
      if (this.#waiting.length < MOST_WAITING) {
        this.#waiting.push([low, high, result, flags]);
        Atomics.or(this.#words, this.#word(SQ_FLAGS), IORING_SQ_CQ_OVERFLOW);
      } else Atomics.add(this.#words, this.#word(CQ_OVERFLOW), 1);
    }
    if (this.eventFile !== null && !(this.eventAsync && atOnce)) {
      if ((Atomics.load(this.#words, this.#word(CQ_FLAGS)) & 1) === 0) this.eventFile.signal();
    }
    this.#queue.notify(POLLIN | POLLRDNORM);
  }

  #put(low: number, high: number, result: number, flags: number): boolean {
    const { completions } = this.size;
    const head = Atomics.load(this.#words, this.#word(CQ_HEAD)) >>> 0;
    if (((this.#cqTail - head) >>> 0) >= completions) return false;
    const at = this.#word(CQES + CQE_SIZE * (this.#cqTail & (completions - 1)));
    this.#words[at] = low;
    this.#words[at + 1] = high;
    this.#words[at + 2] = result;
    this.#words[at + 3] = flags;
    this.#cqTail = (this.#cqTail + 1) >>> 0;
    this.#set(CQ_TAIL, this.#cqTail);
    return true;
  }

  /** Puts completions that waited into the ring, as far as there is room. */
  flushWaiting(): void {
    const list = this.#waiting;
    if (list.length === 0) return;
    let n = 0;
    while (n < list.length && this.#put(...list[n])) n++;
    list.splice(0, n);
    if (list.length === 0) {
      Atomics.and(this.#words, this.#word(SQ_FLAGS), ~IORING_SQ_CQ_OVERFLOW);
    }
  }

  /** A process uses the ring: its requests end when its memory goes. */
  usedBy(mm: MemoryManager): void {
    if (this.#users.has(mm)) return;
    this.#users.add(mm);
    (mm.background ??= new Set()).add(this);
  }

  memoryGone(mm: MemoryManager): void {
    this.#users.delete(mm);
    this.requests.abandon(mm);
  }

  /** Replaces the registered files; each has a use. */
  setFiles(files: (File | null)[] | null): void {
    const old = this.files;
    this.files = files;
    if (old !== null) { for (const file of old) if (file !== null && file !== this) file.unref(); }
  }

  setEventFile(file: EventFile | null): void {
    const old = this.eventFile;
    this.eventFile = file;
    if (old !== null) old.unref();
  }

  override release(): void {
    this.requests.abandon(null);
    for (const mm of this.#users) mm.background?.delete(this);
    this.#users.clear();
    this.setFiles(null);
    this.setEventFile(null);
    const { ringFrame, ringPages, entryPages } = this.#pages;
    this.#frames.unref(ringFrame, ringPages + entryPages);
  }
}
