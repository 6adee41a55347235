import * as libc from "../../../../ffi/libc.ts";

/** A slot for a host descriptor that can be closed and opened again at any time. */
export class HostFd {
  fd: number;
  /** What the descriptor is good for: O_PATH, O_RDONLY or O_RDWR. */
  flags: number;
  /** Not to be closed but by its owner: the file can't be found by name any more. */
  pinned: boolean;
  prev: HostFd | null;
  next: HostFd | null;

  constructor() {
    this.fd = -1;
    this.flags = 0;
    this.pinned = false;
    this.prev = null;
    this.next = null;
  }
}

/** Keeps the number of open host descriptors bounded: the least recently used one is closed. */
export class FdCache {
  private readonly limit: number;
  private count: number;
  private head: HostFd | null;
  private tail: HostFd | null;

  constructor(limit: number) {
    this.limit = limit;
    this.count = 0;
    this.head = null;
    this.tail = null;
  }

  /** Fills a slot with a descriptor that was just opened. */
  fill(slot: HostFd, fd: number, flags: number): void {
    if (slot.fd >= 0) this.close(slot);
    if (this.count >= this.limit && this.head !== null) this.close(this.head);
    slot.fd = fd;
    slot.flags = flags;
    this.append(slot);
    this.count++;
  }

  /** Marks a slot as just used. */
  touch(slot: HostFd): void {
    if (slot.pinned || this.tail === slot) return;
    this.unlink(slot);
    this.append(slot);
  }

  /** Keeps the descriptor of a slot, which must have one, until {@link close}. */
  pin(slot: HostFd): void {
    if (slot.pinned) return;
    this.unlink(slot);
    this.count--;
    slot.pinned = true;
  }

  /** The opposite of {@link pin}. */
  unpin(slot: HostFd): void {
    if (!slot.pinned) return;
    slot.pinned = false;
    this.append(slot);
    this.count++;
  }

  /** Closes the descriptor of a slot, if it has one. */
  close(slot: HostFd): void {
    if (slot.fd < 0) return;
    if (!slot.pinned) {
      this.unlink(slot);
      this.count--;
    }
    slot.pinned = false;
    libc.close(slot.fd);
    slot.fd = -1;
  }

  private append(slot: HostFd): void {
    slot.prev = this.tail;
    slot.next = null;
    if (this.tail === null) this.head = slot;
    else this.tail.next = slot;
    this.tail = slot;
  }

  private unlink(slot: HostFd): void {
    if (slot.prev === null) this.head = slot.next;
    else slot.prev.next = slot.next;
    if (slot.next === null) this.tail = slot.prev;
    else slot.next.prev = slot.prev;
    slot.prev = null;
    slot.next = null;
  }
}
