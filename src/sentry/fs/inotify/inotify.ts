import { EAGAIN, EEXIST, EINVAL, ENOSPC } from "../../../abi/errno.ts";
import {
  IN_ALL_EVENTS,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from "../../../abi/eventfd.ts";
import { O_RDONLY } from "../../../abi/fcntl.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import { POLLIN, POLLRDNORM } from "../../../abi/poll.ts";
import { putString } from "../../kernel/bytes.ts";
import type { Task } from "../../kernel/task.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { anonPath } from "../../vfs/anon.ts";
import { File } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import { type Watch, WatchList } from "../../vfs/notify.ts";
import type { Vfs } from "../../vfs/vfs.ts";

/** /proc/sys/fs/inotify/max_queued_events. */
export const MAX_QUEUED_EVENTS = 16384;
/** /proc/sys/fs/inotify/max_user_watches. */
export const MAX_USER_WATCHES = 65536;

const HEADER_SIZE = 16;
const IN_DELETE_SELF = 0x400;

class QueuedEvent {
  constructor(
    readonly wd: number,
    readonly mask: number,
    readonly cookie: number,
    readonly name: string,
  ) {}

  get size(): number {
    return HEADER_SIZE + (this.name === "" ? 0 : (this.name.length + 16) & ~15);
  }

  equals(o: QueuedEvent): boolean {
    return this.wd === o.wd && this.mask === o.mask && this.cookie === o.cookie &&
      this.name === o.name;
  }
}

/** A watch of an inotify instance on one inode. */
class InotifyWatch implements Watch {
  readonly file: InotifyFile;
  readonly inode: Inode;
  readonly wd: number;
  mask: number;
  /** IN_ONESHOT and IN_EXCL_UNLINK as given. */
  flags: number;

  constructor(file: InotifyFile, inode: Inode, wd: number) {
    this.file = file;
    this.inode = inode;
    this.wd = wd;
    this.mask = 0;
    this.flags = 0;
  }

  setMask(mask: number): void {
    this.mask = (mask & IN_ALL_EVENTS) | IN_UNMOUNT | IN_IGNORED | IN_DELETE_SELF;
    this.wanted = mask & IN_ALL_EVENTS;
    this.flags = mask & (IN_ONESHOT | IN_EXCL_UNLINK);
  }

  /** What the program asked for; the end of the inode is watched in any case. */
  wanted = 0;

  event(mask: number, name: string, cookie: number): void {
    if ((mask & (this.wanted | IN_UNMOUNT)) !== 0) {
      this.file.enqueue(this.wd, mask, cookie, name);
      if ((this.flags & IN_ONESHOT) !== 0) {
        this.file.drop(this);
        return;
      }
    }
    if ((mask & (IN_DELETE_SELF | IN_UNMOUNT)) !== 0) this.file.drop(this);
  }
}

/** An inotify instance (inotify(7)). */
export class InotifyFile extends File {
  private readonly waiters: WaitQueue;
  private readonly watches: Map<number, InotifyWatch>;
  private readonly byInode: Map<Inode, InotifyWatch>;
  private readonly events: QueuedEvent[];
  private queuedBytes: number;
  private nextWd: number;

  constructor(vfs: Vfs, flags: number) {
    super(anonPath(vfs, "anon_inode:inotify"), O_RDONLY | flags);
    this.waiters = new WaitQueue();
    this.watches = new Map();
    this.byInode = new Map();
    this.events = [];
    this.queuedBytes = 0;
    this.nextWd = 1;
  }

  override get queue(): WaitQueue {
    return this.waiters;
  }

  /** inotify_add_watch(2) on an inode; returns the watch descriptor. */
  add(inode: Inode, mask: number): number {
    let watch = this.byInode.get(inode);
    if (watch !== undefined) {
      if ((mask & IN_MASK_CREATE) !== 0) return -EEXIST;
      watch.setMask((mask & IN_MASK_ADD) !== 0 ? mask | watch.wanted : mask);
      return watch.wd;
    }
    if (this.watches.size >= MAX_USER_WATCHES) return -ENOSPC;
    watch = new InotifyWatch(this, inode.get(), this.nextWd++);
    watch.setMask(mask);
    this.watches.set(watch.wd, watch);
    this.byInode.set(inode, watch);
    if (inode.watches === null) inode.watches = new WatchList();
    inode.watches.add(watch);
    return watch.wd;
  }

  /** inotify_rm_watch(2). */
  remove(wd: number): number {
    const watch = this.watches.get(wd);
    if (watch === undefined) return -EINVAL;
    this.drop(watch);
    return 0;
  }

  /** Ends a watch and tells so by IN_IGNORED. */
  drop(watch: InotifyWatch): void {
    if (this.watches.get(watch.wd) !== watch) return;
    this.detach(watch);
    this.enqueue(watch.wd, IN_IGNORED, 0, "");
  }

  private detach(watch: InotifyWatch): void {
    this.watches.delete(watch.wd);
    this.byInode.delete(watch.inode);
    watch.inode.watches?.remove(watch);
    watch.inode.put();
  }

  /** Queues an event. One that repeats the last is left out; too many become one overflow. */
  enqueue(wd: number, mask: number, cookie: number, name: string): void {
    const events = this.events;
    if (events.length > MAX_QUEUED_EVENTS) return;
    const event = events.length === MAX_QUEUED_EVENTS
      ? new QueuedEvent(-1, IN_Q_OVERFLOW, 0, "")
      : new QueuedEvent(wd, mask >>> 0, cookie, name);
    if (events.length > 0 && events[events.length - 1].equals(event)) return;
    events.push(event);
    this.queuedBytes += event.size;
    this.waiters.notify(POLLIN | POLLRDNORM);
  }

  override read(_t: Task, io: IoBuffer, _pos: number): number {
    const events = this.events;
    if (events.length === 0) return -EAGAIN;
    if (events[0].size > io.remaining) return -EINVAL;
    let done = 0;
    let used = 0;
    while (used < events.length && events[used].size <= io.remaining) {
      const e = events[used];
      const record = new Uint8Array(e.size);
      const view = new DataView(record.buffer);
      view.setInt32(0, e.wd, true);
      view.setUint32(4, e.mask, true);
      view.setUint32(8, e.cookie, true);
      view.setUint32(12, e.size - HEADER_SIZE, true);
      putString(record, HEADER_SIZE, e.name);
      const r = io.put(record, 0, record.length);
      if (r < record.length) {
        if (done === 0) return r < 0 ? r : -EINVAL;
        break;
      }
      done += r;
      used++;
      this.queuedBytes -= record.length;
    }
    events.splice(0, used);
    return done;
  }

  override poll(_t: Task | null): number {
    return this.events.length > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (cmd === FIONREAD) return t.mm.writeU32(arg, this.queuedBytes);
    return super.ioctl(t, cmd, arg);
  }

  override fdInfo(): string {
    let text = "";
    for (const w of this.watches.values()) {
      text += `inotify wd:${w.wd.toString(16)} ino:${w.inode.ino.toString(16)} sdev:${
        w.inode.dev.toString(16)
      } mask:${w.wanted.toString(16)} ignored_mask:0\n`;
    }
    return text;
  }

  override release(): void {
    for (const watch of [...this.watches.values()]) this.detach(watch);
  }
}
