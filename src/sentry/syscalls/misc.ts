/** The machine and the kernel as the application sees them. */

import { CAP_SYS_ADMIN, CAP_SYSLOG } from "../../abi/capability.ts";
import { EFAULT, EINVAL, EPERM } from "../../abi/errno.ts";
import { write64 } from "../../abi/int64.ts";
import {
  GRND_INSECURE,
  GRND_NONBLOCK,
  GRND_RANDOM,
  SYSLOG_ACTION_CLEAR,
  SYSLOG_ACTION_CLOSE,
  SYSLOG_ACTION_CONSOLE_LEVEL,
  SYSLOG_ACTION_CONSOLE_OFF,
  SYSLOG_ACTION_CONSOLE_ON,
  SYSLOG_ACTION_OPEN,
  SYSLOG_ACTION_READ,
  SYSLOG_ACTION_READ_ALL,
  SYSLOG_ACTION_READ_CLEAR,
  SYSLOG_ACTION_SIZE_BUFFER,
  SYSLOG_ACTION_SIZE_UNREAD,
} from "../../abi/prctl.ts";
import { bytesToString, putString } from "../kernel/bytes.ts";
import { SCRATCH_SIZE, type Task } from "../kernel/task.ts";
import { KERNEL_NAME, KERNEL_RELEASE, KERNEL_VERSION, MACHINE } from "../kernel/version.ts";

const UTS_FIELD = 65;
const UTS_MAX = 64;
const SYSINFO_SIZE = 112;
/** As many bytes as one getrandom(2) gives at most. */
const RANDOM_MAX = 0x1ffffff;
/** What dmesg(1) shows. */
const KERNEL_MESSAGES = "<6>[    0.000000] Linux version " + KERNEL_RELEASE + " " +
  KERNEL_VERSION + "\n<6>[    0.000000] Booting in a sandbox\n";

/** uname(2). */
export function sys_uname(t: Task): number {
  t.scratch.fill(0, 0, 6 * UTS_FIELD);
  const uts = t.nsproxy.uts;
  putString(t.scratch, 0, KERNEL_NAME);
  putString(t.scratch, UTS_FIELD, uts.hostname);
  putString(t.scratch, 2 * UTS_FIELD, KERNEL_RELEASE);
  putString(t.scratch, 3 * UTS_FIELD, KERNEL_VERSION);
  const narrow = (t.personality & PER_MASK) === PER_LINUX32;
  putString(t.scratch, 4 * UTS_FIELD, narrow ? NARROW_MACHINE : MACHINE);
  putString(t.scratch, 5 * UTS_FIELD, uts.domainname);
  return t.copyOut(t.args[0], 6 * UTS_FIELD);
}

/** What personality(2) makes of a program's machine (`linux32`). */
const PER_MASK = 0xff;
const PER_LINUX32 = 8;
const NARROW_MACHINE = "i686";

/** sethostname(2). */
export function sys_sethostname(t: Task): number {
  const name = nameArg(t);
  if (typeof name === "number") return name;
  t.nsproxy.uts.hostname = name;
  return 0;
}

/** setdomainname(2). */
export function sys_setdomainname(t: Task): number {
  const name = nameArg(t);
  if (typeof name === "number") return name;
  t.nsproxy.uts.domainname = name;
  return 0;
}

function nameArg(t: Task): string | number {
  const length = t.args[1] | 0;
  if (!t.creds.capable(CAP_SYS_ADMIN, t.nsproxy.uts.userNs)) return -EPERM;
  if (length < 0 || length > UTS_MAX) return -EINVAL;
  if (t.copyIn(t.args[0], length) !== 0) return -EFAULT;
  return bytesToString(t.scratch, 0, length);
}

/** sysinfo(2). */
export function sys_sysinfo(t: Task): number {
  const frames = t.kernel.frames;
  t.scratch.fill(0, 0, SYSINFO_SIZE);
  write64(t.view, 0, Math.floor(t.kernel.clock.uptime() / 1e9));
  write64(t.view, 32, frames.frames * 4096);
  write64(t.view, 40, (frames.frames - frames.usedFrames) * 4096);
  t.view.setUint16(80, t.kernel.taskCount, true);
  t.view.setUint32(104, 1, true);
  return t.copyOut(t.args[0], SYSINFO_SIZE);
}

/** getrandom(2). */
export function sys_getrandom(t: Task): number {
  const flags = t.args[2] | 0;
  if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) !== 0) return -EINVAL;
  if ((flags & GRND_INSECURE) !== 0 && (flags & GRND_RANDOM) !== 0) return -EINVAL;
  const length = Math.min(t.args[1] < 0 ? RANDOM_MAX : t.args[1], RANDOM_MAX);
  let done = 0;
  while (done < length) {
    const part = Math.min(length - done, SCRATCH_SIZE);
    t.kernel.random(t.scratch.subarray(0, part));
    if (t.copyOut(t.args[0] + done, part) !== 0) return done > 0 ? done : -EFAULT;
    done += part;
  }
  return done;
}

/** syslog(2). */
export function sys_syslog(t: Task): number {
  const length = t.args[2] | 0;
  switch (t.args[0] | 0) {
    case SYSLOG_ACTION_CLOSE:
    case SYSLOG_ACTION_OPEN:
      return 0;
    case SYSLOG_ACTION_READ_ALL:
    case SYSLOG_ACTION_READ_CLEAR: {
      if (t.args[1] === 0 || length < 0) return -EINVAL;
      const text = KERNEL_MESSAGES.slice(Math.max(0, KERNEL_MESSAGES.length - length));
      putString(t.scratch, 0, text);
      return t.copyOut(t.args[1], text.length) !== 0 ? -EFAULT : text.length;
    }
    case SYSLOG_ACTION_SIZE_BUFFER:
      return 16384;
    case SYSLOG_ACTION_READ:
    case SYSLOG_ACTION_SIZE_UNREAD:
    case SYSLOG_ACTION_CLEAR:
    case SYSLOG_ACTION_CONSOLE_OFF:
    case SYSLOG_ACTION_CONSOLE_ON:
    case SYSLOG_ACTION_CONSOLE_LEVEL:
      return t.creds.capable(CAP_SYSLOG) ? 0 : -EPERM;
    default:
      return -EINVAL;
  }
}

/** sysfs(2): names of file systems and their places in a list; /proc/filesystems tells them too. */
export function sys_sysfs(t: Task): number {
  const names = [...t.kernel.vfs.types.keys()];
  switch (t.args[0] | 0) {
    case 1: {
      const name = t.mm.readString(t.args[1], 4096);
      if (typeof name === "number") return name;
      const index = names.indexOf(name);
      return index < 0 ? -EINVAL : index;
    }
    case 2: {
      const name = names[t.args[1] >>> 0];
      if (name === undefined) return -EINVAL;
      t.scratch[putString(t.scratch, 0, name)] = 0;
      return t.copyOut(t.args[2], name.length + 1);
    }
    case 3:
      return names.length;
    default:
      return -EINVAL;
  }
}
