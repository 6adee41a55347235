/** System V IPC (sysvipc(7)): shared memory, semaphores and messages. */

import { E2BIG, EFAULT, EINVAL, ENOMEM, ERANGE } from "../../abi/errno.ts";
import {
  GETALL,
  GETNCNT,
  GETPID,
  GETVAL,
  GETZCNT,
  IPC_64,
  IPC_INFO,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  MSG_COPY,
  MSG_INFO,
  MSG_STAT,
  MSG_STAT_ANY,
  SEM_INFO,
  SEM_STAT,
  SEM_STAT_ANY,
  SEMVMX,
  SETALL,
  SETVAL,
  SHM_EXEC,
  SHM_INFO,
  SHM_LOCK,
  SHM_RDONLY,
  SHM_REMAP,
  SHM_RND,
  SHM_STAT,
  SHM_STAT_ANY,
  SHM_UNLOCK,
} from "../../abi/ipc.ts";
import { readI64 } from "../../abi/int64.ts";
import { MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { MsqidDs, SemidDs, ShmidDs } from "../../abi/structs/ipc.ts";
import type { IpcObject, IpcTable } from "../kernel/ipc/ipc_object.ts";
import { checkReceive, type MessageQueue, MessageQueues } from "../kernel/ipc/message_queues.ts";
import { SemaphoreOperations, Semaphores, type SemaphoreSet } from "../kernel/ipc/semaphores.ts";
import { type Segment, SharedMemory } from "../kernel/ipc/shared_memory.ts";
import type { Task } from "../kernel/task.ts";
import { readTimespec } from "./user_time.ts";

const PAGE = 4096;
/** SEMOPM as operations fit into the scratch memory of a task. */
const SEMBUF_SIZE = 6;

/** shmget(2). */
export function shmget(t: Task): number {
  const size = t.args[1] < 0 ? Infinity : t.args[1];
  return SharedMemory.of(t).obtain(t, t.args[0] | 0, size, t.args[2] | 0);
}

/** shmat(2). */
export function shmat(t: Task): number {
  let address = t.args[1];
  const flags = t.args[2] | 0;
  const segment = SharedMemory.of(t).table.get(t.args[0] | 0);
  if (typeof segment === "number") return segment;
  if (address !== 0) {
    if (address % PAGE !== 0) {
      if ((flags & SHM_RND) === 0) return -EINVAL;
      address -= address % PAGE;
      if (address === 0 && (flags & SHM_REMAP) !== 0) return -EINVAL;
    }
  } else if ((flags & SHM_REMAP) !== 0) return -EINVAL;
  let prot = PROT_READ;
  let access = 0o444;
  if ((flags & SHM_RDONLY) === 0) {
    prot |= PROT_WRITE;
    access |= 0o222;
  }
  if ((flags & SHM_EXEC) !== 0) {
    prot |= PROT_EXEC;
    access |= 0o111;
  }
  const denied = segment.permits(t, access);
  if (denied !== 0) return denied;
  const { mm } = t;
  if (address !== 0 && (flags & SHM_REMAP) === 0) {
    if (address < 0 || mm.vmas.overlaps(address, address + segment.size)) return -EINVAL;
  }
  mm.limits = t.group.rlimits.soft;
  segment.actor = t.group.tgid;
  const r = mm.mmap({
    addr: address < 0 ? 0 : address,
    length: segment.size,
    prot,
    flags: address !== 0 ? MAP_SHARED | MAP_FIXED : MAP_SHARED,
    file: segment.file,
    offset: 0,
    maxProt: (flags & SHM_RDONLY) === 0 ? undefined : PROT_READ | PROT_EXEC,
  });
  segment.actor = 0;
  return r;
}

/** shmdt(2). */
export function shmdt(t: Task): number {
  const address = t.args[0];
  if (address % PAGE !== 0 || address < 0) return -EINVAL;
  const { mm } = t;
  const list = mm.vmas.list;
  let segment: Segment | null = null;
  const parts: [start: number, length: number][] = [];
  for (let i = mm.vmas.indexAbove(address); i < list.length; i++) {
    const v = list[i];
    if (segment !== null && v.start >= address + segment.size) break;
    const attached = SharedMemory.segmentOf(v.source);
    if (attached === null || v.start - address !== v.offset) continue;
    if (segment !== null && attached !== segment) continue;
    segment = attached;
    parts.push([v.start, v.end - v.start]);
  }
  if (segment === null) return -EINVAL;
  segment.actor = t.group.tgid;
  for (const [start, length] of parts) mm.munmap(start, length);
  segment.actor = 0;
  return 0;
}

/** What *ctl calls that only read or remove have in common. */
interface Controlled extends IpcObject {
  write(t: Task): void;
}

/** IPC_STAT, *_STAT and *_STAT_ANY. */
function readStatus<T extends Controlled>(
  t: Task,
  table: IpcTable<T>,
  how: { byPlace: boolean; any: boolean },
  size: number,
  address: number,
): number {
  const object = table.toRead(t, t.args[0] | 0, how.byPlace, how.any);
  if (typeof object === "number") return object;
  object.write(t);
  const r = t.copyOut(address, size);
  return r !== 0 ? r : how.byPlace ? object.id : 0;
}

/** IPC_SET of a structure of `size` bytes. */
function change<T extends IpcObject>(
  t: Task,
  table: IpcTable<T>,
  size: number,
  address: number,
): number {
  if (t.copyIn(address, size) !== 0) return -EFAULT;
  const object = table.toControl(t, t.args[0] | 0);
  return typeof object === "number" ? object : object.update(t);
}

const BY_ID = { byPlace: false, any: false };
const BY_PLACE = { byPlace: true, any: false };
const ANY = { byPlace: true, any: true };

/** shmctl(2). */
export function shmctl(t: Task): number {
  const command = (t.args[1] | 0) & ~IPC_64;
  const address = t.args[2];
  if ((t.args[0] | 0) < 0 || command < 0) return -EINVAL;
  const family = SharedMemory.of(t);
  const { table } = family;
  switch (command) {
    case IPC_INFO: {
      const r = t.copyOut(address, family.writeLimits(t));
      return r !== 0 ? r : table.maxIndex;
    }
    case SHM_INFO: {
      const r = t.copyOut(address, family.writeUse(t));
      return r !== 0 ? r : table.maxIndex;
    }
    case IPC_STAT:
      return readStatus(t, table, BY_ID, ShmidDs.size, address);
    case SHM_STAT:
      return readStatus(t, table, BY_PLACE, ShmidDs.size, address);
    case SHM_STAT_ANY:
      return readStatus(t, table, ANY, ShmidDs.size, address);
    case IPC_SET:
      return change(t, table, ShmidDs.size, address);
    case IPC_RMID: {
      const segment = table.toControl(t, t.args[0] | 0);
      if (typeof segment === "number") return segment;
      segment.markRemoved();
      return 0;
    }
    case SHM_LOCK:
    case SHM_UNLOCK: {
      const segment = table.get(t.args[0] | 0);
      if (typeof segment === "number") return segment;
      return segment.setLocked(t, command === SHM_LOCK);
    }
    default:
      return -EINVAL;
  }
}

/** semget(2). */
export function semget(t: Task): number {
  return Semaphores.of(t).obtain(t, t.args[0] | 0, t.args[1] | 0, t.args[2] | 0);
}

/** semop(2). */
export function semop(t: Task): number {
  return operate(t, false);
}

/** semtimedop(2). */
export function semtimedop(t: Task): number {
  return operate(t, true);
}

/** The set that a blocked semop(2) waits at; it may have been removed meanwhile. */
const waitingAt: WeakMap<Task, SemaphoreSet> = new WeakMap();

function operate(t: Task, timed: boolean): number {
  if (t.block.runs > 0) return waitingAt.get(t)!.resume(t, t.block.deadline);
  let deadline = Infinity;
  if (timed && t.args[3] !== 0) {
    const time = readTimespec(t, t.args[3]);
    if (time < 0) return time;
    deadline = t.kernel.clock.monotonic() + time;
  }
  const id = t.args[0] | 0;
  const count = t.args[2];
  if (count === 0 || id < 0) return -EINVAL;
  const family = Semaphores.of(t);
  if (count < 0 || count > family.ns.limits.semopm) return -E2BIG;
  if (count * SEMBUF_SIZE > t.scratch.length) return -ENOMEM;
  if (t.copyIn(t.args[1], count * SEMBUF_SIZE) !== 0) return -EFAULT;
  const operations = new SemaphoreOperations(t.view, count);
  const set = family.table.get(id);
  if (typeof set === "number") return set;
  waitingAt.set(t, set);
  return set.operate(t, operations, deadline);
}

/** semctl(2). */
export function semctl(t: Task): number {
  const id = t.args[0] | 0;
  const command = (t.args[2] | 0) & ~IPC_64;
  const arg = t.args[3];
  if (id < 0) return -EINVAL;
  const family = Semaphores.of(t);
  const { table } = family;
  switch (command) {
    case IPC_INFO:
    case SEM_INFO: {
      const r = t.copyOut(arg, family.writeInfo(t, command === SEM_INFO));
      return r !== 0 ? r : table.maxIndex;
    }
    case IPC_STAT:
      return readStatus(t, table, BY_ID, SemidDs.size, arg);
    case SEM_STAT:
      return readStatus(t, table, BY_PLACE, SemidDs.size, arg);
    case SEM_STAT_ANY:
      return readStatus(t, table, ANY, SemidDs.size, arg);
    case IPC_SET:
      return change(t, table, SemidDs.size, arg);
    case IPC_RMID: {
      const set = table.toControl(t, id);
      if (typeof set === "number") return set;
      set.destroy();
      return 0;
    }
    case SETVAL:
      if ((arg | 0) < 0 || (arg | 0) > SEMVMX) return -ERANGE;
      return valueCall(t, table.get(id), command, arg);
    case GETALL:
    case SETALL:
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
      return valueCall(t, table.get(id), command, arg);
    default:
      return -EINVAL;
  }
}

/** The commands of semctl(2) that look at values. */
function valueCall(
  t: Task,
  set: SemaphoreSet | number,
  command: number,
  arg: number,
): number {
  if (typeof set === "number") return set;
  const n = t.args[1] | 0;
  const all = command === GETALL || command === SETALL;
  const inRange = n >= 0 && n < set.size;
  if (command === SETVAL && !inRange) return -EINVAL;
  const denied = set.permits(t, command === SETVAL || command === SETALL ? 0o222 : 0o444);
  if (denied !== 0) return denied;
  if (!all && !inRange) return -EINVAL;
  switch (command) {
    case GETVAL:
      return set.values[n];
    case GETPID:
      return set.pids[n];
    case GETNCNT:
      return set.waiting(n, false);
    case GETZCNT:
      return set.waiting(n, true);
    case SETVAL:
      set.setValues(t, n, Uint16Array.of(arg | 0));
      return 0;
    case GETALL: {
      const bytes = new Uint8Array(set.values.buffer);
      return t.mm.copyOut(arg, bytes, 0, bytes.length);
    }
    default: {
      const values = new Uint16Array(set.size);
      if (t.mm.copyIn(arg, new Uint8Array(values.buffer), 0, 2 * set.size) !== 0) return -EFAULT;
      if (values.some((value) => value > SEMVMX)) return -ERANGE;
      set.setValues(t, 0, values);
      return 0;
    }
  }
}

/** msgget(2). */
export function msgget(t: Task): number {
  return MessageQueues.of(t).obtain(t, t.args[0] | 0, t.args[1] | 0);
}

/** msgsnd(2). */
export function msgsnd(t: Task): number {
  const [id, address, size, flags] = t.args;
  const family = MessageQueues.of(t);
  if (t.copyIn(address, 8) !== 0) return -EFAULT;
  const type = readI64(t.view, 0);
  if ((id | 0) < 0 || size < 0 || size > family.ns.limits.msgmax || type < 1) return -EINVAL;
  const queue = queueOf(t, family);
  return typeof queue === "number" ? queue : queue.send(t, type, address + 8, size, flags | 0);
}

/** msgrcv(2). */
export function msgrcv(t: Task): number {
  const [id, address, size, type] = t.args;
  const flags = t.args[4] | 0;
  if ((id | 0) < 0 || size < 0) return -EINVAL;
  const invalid = checkReceive(flags);
  if (invalid !== 0) return invalid;
  if ((flags & MSG_COPY) !== 0 && type < 0) return -EINVAL;
  const queue = queueOf(t, MessageQueues.of(t));
  return typeof queue === "number" ? queue : queue.receive(t, address, size, type, flags);
}

/** The queue of argument 0. A call that waits keeps to the one it found, which tells it if it was removed. */
function queueOf(t: Task, family: MessageQueues): MessageQueue | number {
  return t.block.runs > 0 ? t.block.data as MessageQueue : family.table.get(t.args[0] | 0);
}

/** msgctl(2). */
export function msgctl(t: Task): number {
  const id = t.args[0] | 0;
  const command = (t.args[1] | 0) & ~IPC_64;
  const address = t.args[2];
  if (id < 0 || command < 0) return -EINVAL;
  const family = MessageQueues.of(t);
  const { table } = family;
  switch (command) {
    case IPC_INFO:
    case MSG_INFO: {
      const r = t.copyOut(address, family.writeInfo(t, command === MSG_INFO));
      return r !== 0 ? r : table.maxIndex;
    }
    case IPC_STAT:
      return readStatus(t, table, BY_ID, MsqidDs.size, address);
    case MSG_STAT:
      return readStatus(t, table, BY_PLACE, MsqidDs.size, address);
    case MSG_STAT_ANY:
      return readStatus(t, table, ANY, MsqidDs.size, address);
    case IPC_SET:
      return change(t, table, MsqidDs.size, address);
    case IPC_RMID: {
      const queue = table.toControl(t, id);
      if (typeof queue === "number") return queue;
      queue.destroy();
      return 0;
    }
    default:
      return -EINVAL;
  }
}
