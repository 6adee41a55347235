/** io_uring(7): rings of requests, which the sentry does as the system calls that they stand for. */

import {
  EBADF,
  EBADFD,
  EBUSY,
  EFAULT,
  EINTR,
  EINVAL,
  EMFILE,
  ENXIO,
  EOPNOTSUPP,
  ETIME,
} from "../../../abi/errno.ts";
import { readU64 } from "../../../abi/int64.ts";
import * as o from "../../../abi/io_uring.ts";
import { POLLIN } from "../../../abi/poll.ts";
import { EventFile } from "../../fs/eventfd/eventfd.ts";
import type { Task } from "../../kernel/task.ts";
import { restoreMask, setTemporaryMask } from "../../kernel/task_signals.ts";
import { BLOCKED } from "../../kernel/wait.ts";
import { installNew } from "../eventfd.ts";
import { readTimespec } from "../user_time.ts";
import { isKnown, LAST_OP } from "./operations.ts";
import { readFiles, updateFiles } from "./registered_files.ts";
import * as ring from "./ring.ts";

const { RingFile } = ring;
type Ring = ring.RingFile;

const MOST_SUBMISSIONS = 32768;
const MOST_COMPLETIONS = 65536;
const PARAMS_SIZE = 120;
/** Files and buffers that a ring may register. */
const MOST_FILES = 32768;
const MOST_BUFFERS = 16384;
const MOST_BUFFER_BYTES = 1 << 30;

const KNOWN_SETUP = o.IORING_SETUP_CQSIZE | o.IORING_SETUP_CLAMP | o.IORING_SETUP_R_DISABLED |
  o.IORING_SETUP_SUBMIT_ALL | o.IORING_SETUP_COOP_TASKRUN | o.IORING_SETUP_TASKRUN_FLAG |
  o.IORING_SETUP_SINGLE_ISSUER | o.IORING_SETUP_DEFER_TASKRUN | o.IORING_SETUP_NO_SQARRAY;
const FEATURES = o.IORING_FEAT_SINGLE_MMAP | o.IORING_FEAT_NODROP | o.IORING_FEAT_SUBMIT_STABLE |
  o.IORING_FEAT_RW_CUR_POS | o.IORING_FEAT_CUR_PERSONALITY | o.IORING_FEAT_FAST_POLL |
  o.IORING_FEAT_POLL_32BITS | o.IORING_FEAT_EXT_ARG | o.IORING_FEAT_NATIVE_WORKERS |
  o.IORING_FEAT_CQE_SKIP | o.IORING_FEAT_LINKED_FILE;

function powerOfTwo(n: number): number {
  return n <= 1 ? 1 : 2 ** (32 - Math.clz32(n - 1));
}

/** io_uring_setup(2). */
export function io_uring_setup(t: Task): number {
  let entries = t.args[0] >>> 0;
  const address = t.args[1];
  if (t.copyIn(address, PARAMS_SIZE) !== 0) return -EFAULT;
  const v = t.view;
  const flags = v.getUint32(8, true);
  for (let at = 28; at < 40; at += 4) if (v.getUint32(at, true) !== 0) return -EINVAL;
  if ((flags & ~KNOWN_SETUP) !== 0) return -EINVAL;
  const deferred = (flags & o.IORING_SETUP_DEFER_TASKRUN) !== 0;
  if (deferred && (flags & o.IORING_SETUP_SINGLE_ISSUER) === 0) return -EINVAL;
  if (
    (flags & o.IORING_SETUP_TASKRUN_FLAG) !== 0 &&
    (flags & (o.IORING_SETUP_COOP_TASKRUN | o.IORING_SETUP_DEFER_TASKRUN)) === 0
  ) return -EINVAL;
  const clamp = (flags & o.IORING_SETUP_CLAMP) !== 0;
  if (entries === 0) return -EINVAL;
  if (entries > MOST_SUBMISSIONS) {
    if (!clamp) return -EINVAL;
    entries = MOST_SUBMISSIONS;
  }
  const submissions = powerOfTwo(entries);
  let completions = 2 * submissions;
  if ((flags & o.IORING_SETUP_CQSIZE) !== 0) {
    completions = v.getUint32(4, true);
    if (completions === 0) return -EINVAL;
    if (completions > MOST_COMPLETIONS) {
      if (!clamp) return -EINVAL;
      completions = MOST_COMPLETIONS;
    }
    completions = powerOfTwo(completions);
    if (completions < submissions) return -EINVAL;
  }
  const direct = (flags & o.IORING_SETUP_NO_SQARRAY) !== 0;
  const made = RingFile.make(t, { submissions, completions, flags, direct });
  if (typeof made === "number") return made;
  made.disabled = (flags & o.IORING_SETUP_R_DISABLED) !== 0;
  v.setUint32(0, submissions, true);
  v.setUint32(4, completions, true);
  v.setUint32(20, FEATURES, true);
  const places = [
    [40, ring.SQ_HEAD],
    [44, ring.SQ_TAIL],
    [48, ring.SQ_MASK],
    [52, ring.SQ_ENTRIES],
    [56, ring.SQ_FLAGS],
    [60, ring.SQ_DROPPED],
    [64, direct ? 0 : made.array],
    [80, ring.CQ_HEAD],
    [84, ring.CQ_TAIL],
    [88, ring.CQ_MASK],
    [92, ring.CQ_ENTRIES],
    [96, ring.CQ_OVERFLOW],
    [100, ring.CQES],
    [104, ring.CQ_FLAGS],
  ];
  for (const [at, value] of places) v.setUint32(at, value, true);
  if (t.copyOut(address, PARAMS_SIZE) !== 0) {
    made.unref();
    return -EFAULT;
  }
  return installNew(t, made, true);
}

const entry = new Uint8Array(ring.SQE_SIZE);
const entryView = new DataView(entry.buffer);

/** io_uring_enter(2). */
export function io_uring_enter(t: Task): number {
  const flags = t.args[3] >>> 0;
  const known = o.IORING_ENTER_GETEVENTS | o.IORING_ENTER_SQ_WAKEUP | o.IORING_ENTER_SQ_WAIT |
    o.IORING_ENTER_EXT_ARG;
  if ((flags & ~known) !== 0) return -EINVAL;
  if (t.block.runs > 0) {
    const { data, deadline, progress } = t.block;
    return finish(t, waitFor(t, data as Ring, deadline, progress));
  }
  const file = t.files.get(t.args[0] | 0);
  if (file === null) return -EBADF;
  if (!(file instanceof RingFile)) return -EOPNOTSUPP;
  if (file.disabled) return -EBADFD;
  file.flushWaiting();
  const count = submit(t, file, t.args[1] >>> 0);
  if ((flags & o.IORING_ENTER_GETEVENTS) === 0) return count;
  const deadline = waitArguments(t, flags);
  if (deadline < 0) return count > 0 ? count : deadline;
  return finish(t, waitFor(t, file, deadline, count));
}

function submit(t: Task, file: Ring, most: number): number {
  if (most === 0) return 0;
  file.usedBy(t.mm);
  const { requests } = file;
  requests.submitter(t);
  let count = 0;
  while (count < most && file.take(entry)) {
    const valid = requests.submit(t, entryView);
    count++;
    if (!valid && (file.size.flags & o.IORING_SETUP_SUBMIT_ALL) === 0) break;
  }
  requests.endChain(t);
  return count;
}

/** The signal mask and the time limit of a wait: monotonic nanoseconds or a negative errno. */
function waitArguments(t: Task, flags: number): number {
  let mask = t.args[4];
  let maskSize = t.args[5];
  let deadline = Infinity;
  if ((flags & o.IORING_ENTER_EXT_ARG) !== 0) {
    if (t.args[5] !== 24) return -EINVAL;
    if (t.copyIn(t.args[4], 24) !== 0) return -EFAULT;
    mask = readU64(t.view, 0);
    maskSize = t.view.getUint32(8, true);
    const address = readU64(t.view, 16);
    if (address !== 0) {
      const time = readTimespec(t, address);
      if (time < 0) return time;
      deadline = t.kernel.clock.monotonic() + time;
    }
  }
  if (mask !== 0) {
    if (maskSize !== 8) return -EINVAL;
    if (t.copyIn(mask, 8) !== 0) return -EFAULT;
    setTemporaryMask(t, t.view.getInt32(0, true), t.view.getInt32(4, true));
  }
  return deadline;
}

function waitFor(t: Task, file: Ring, deadline: number, submitted: number): number {
  file.flushWaiting();
  const least = Math.min(t.args[2] >>> 0, file.size.completions);
  if (file.ready >= least) return submitted;
  if (t.block.timedOut) return submitted > 0 ? submitted : -ETIME;
  t.block.data = file;
  t.block.progress = submitted;
  t.waitOn(file.queue, POLLIN);
  return t.sleepUntil(deadline, submitted > 0 ? submitted : -EINTR);
}

function finish(t: Task, r: number): number {
  // A signal that ended the wait is delivered with the mask of the wait.
  if (r !== BLOCKED && !t.signalPending) restoreMask(t);
  return r;
}

/** io_uring_register(2). */
export function io_uring_register(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  if (file === null) return -EBADF;
  if (!(file instanceof RingFile)) return -EOPNOTSUPP;
  const address = t.args[2];
  const count = t.args[3] >>> 0;
  switch (t.args[1] >>> 0) {
    case o.IORING_REGISTER_BUFFERS:
      return registerBuffers(t, file, address, count);
    case o.IORING_UNREGISTER_BUFFERS:
      if (address !== 0 || count !== 0) return -EINVAL;
      if (file.buffers === null) return -ENXIO;
      file.buffers = null;
      return 0;
    case o.IORING_REGISTER_FILES:
      return registerFiles(t, file, address, count);
    case o.IORING_REGISTER_FILES2: {
      if (count !== 32) return -EINVAL;
      if (t.copyIn(address, 32) !== 0) return -EFAULT;
      const nr = t.view.getUint32(0, true);
      const sparse = (t.view.getUint32(4, true) & o.IORING_RSRC_REGISTER_SPARSE) !== 0;
      if (readU64(t.view, 24) !== 0) return -EINVAL;
      return registerFiles(t, file, sparse ? 0 : readU64(t.view, 16), nr, sparse);
    }
    case o.IORING_UNREGISTER_FILES:
      if (address !== 0 || count !== 0) return -EINVAL;
      if (file.files === null) return -ENXIO;
      file.setFiles(null);
      return 0;
    case o.IORING_REGISTER_FILES_UPDATE:
    case o.IORING_REGISTER_FILES_UPDATE2: {
      const second = (t.args[1] >>> 0) === o.IORING_REGISTER_FILES_UPDATE2;
      if (t.copyIn(address, second ? 32 : 16) !== 0) return -EFAULT;
      const first = t.view.getUint32(0, true);
      const nr = second ? t.view.getUint32(24, true) : count;
      return updateFiles(t, file, first, readU64(t.view, 8), nr);
    }
    case o.IORING_REGISTER_EVENTFD:
    case o.IORING_REGISTER_EVENTFD_ASYNC:
      return registerEventFile(t, file, address, count);
    case o.IORING_UNREGISTER_EVENTFD:
      if (address !== 0 || count !== 0) return -EINVAL;
      if (file.eventFile === null) return -ENXIO;
      file.setEventFile(null);
      return 0;
    case o.IORING_REGISTER_PROBE:
      return probe(t, address, count);
    case o.IORING_REGISTER_PERSONALITY: {
      if (address !== 0 || count !== 0) return -EINVAL;
      if (file.personalities.size >= 1024) return -EBUSY;
      const id = file.nextPersonality++;
      file.personalities.set(id, t.creds);
      return id;
    }
    case o.IORING_UNREGISTER_PERSONALITY:
      if (address !== 0) return -EINVAL;
      return file.personalities.delete(count) ? 0 : -EINVAL;
    case o.IORING_REGISTER_ENABLE_RINGS:
      if (address !== 0 || count !== 0) return -EINVAL;
      if (!file.disabled) return -EBADFD;
      file.disabled = false;
      return 0;
    default:
      return -EINVAL;
  }
}

function registerBuffers(t: Task, file: Ring, address: number, count: number): number {
  if (file.buffers !== null) return -EBUSY;
  if (count === 0 || count > MOST_BUFFERS) return -EINVAL;
  const buffers: (ring.RegisteredBuffer | null)[] = [];
  for (let i = 0; i < count; i++) {
    if (t.copyIn(address + 16 * i, 16) !== 0) return -EFAULT;
    const base = readU64(t.view, 0);
    const length = readU64(t.view, 8);
    if (base === 0 && length === 0) {
      buffers.push(null);
      continue;
    }
    if (base === 0 || length === 0 || length > MOST_BUFFER_BYTES) return -EFAULT;
    if (!t.mm.isMapped(base, length)) return -EFAULT;
    buffers.push({ address: base, length });
  }
  file.buffers = buffers;
  return 0;
}

function registerFiles(
  t: Task,
  file: Ring,
  address: number,
  count: number,
  sparse = false,
): number {
  if (file.files !== null) return -EBUSY;
  if (count === 0) return -EINVAL;
  if (count > MOST_FILES) return -EMFILE;
  const files = sparse ? new Array<null>(count).fill(null) : readFiles(t, file, address, count);
  if (typeof files === "number") return files;
  file.files = files;
  return 0;
}

function registerEventFile(t: Task, file: Ring, address: number, count: number): number {
  if (count !== 1) return -EINVAL;
  if (file.eventFile !== null) return -EBUSY;
  const fd = t.mm.readU32(address);
  if (fd < 0) return -EFAULT;
  const told = t.files.get(fd | 0);
  if (told === null) return -EBADF;
  if (!(told instanceof EventFile)) return -EINVAL;
  told.ref();
  file.setEventFile(told);
  file.eventAsync = (t.args[1] >>> 0) === o.IORING_REGISTER_EVENTFD_ASYNC;
  return 0;
}

function probe(t: Task, address: number, count: number): number {
  if (count > 256) return -EINVAL;
  const room = Math.min(count, LAST_OP + 1);
  const size = 16 + 8 * count;
  if (t.copyIn(address, size) !== 0) return -EFAULT;
  for (let i = 0; i < size; i++) if (t.scratch[i] !== 0) return -EINVAL;
  t.scratch[0] = LAST_OP;
  t.scratch[1] = room;
  for (let op = 0; op < room; op++) {
    t.scratch[16 + 8 * op] = op;
    t.scratch[18 + 8 * op] = isKnown(op) ? 1 : 0;
  }
  return t.copyOut(address, size);
}
