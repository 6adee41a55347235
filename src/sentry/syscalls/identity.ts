/** User and group ids, and capabilities (credentials(7), capabilities(7)). */

import {
  CAP_SETGID,
  CAP_SETPCAP,
  CAP_SETUID,
  LINUX_CAPABILITY_VERSION_1,
  LINUX_CAPABILITY_VERSION_2,
  LINUX_CAPABILITY_VERSION_3,
} from "../../abi/capability.ts";
import { EFAULT, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { CapabilitySet, type Credentials } from "../kernel/credentials.ts";
import { commitCreds, fixupAfterSetfsuid, fixupAfterSetuid } from "../kernel/task_creds.ts";
import type { Task } from "../kernel/task.ts";

const NO_ID = 0xffffffff;
const NGROUPS_MAX = 65536;

/** getuid(2). */
export function sys_getuid(t: Task): number {
  return t.creds.userNs.fromKuid(t.creds.ruid);
}

/** geteuid(2). */
export function sys_geteuid(t: Task): number {
  return t.creds.userNs.fromKuid(t.creds.euid);
}

/** getgid(2). */
export function sys_getgid(t: Task): number {
  return t.creds.userNs.fromKgid(t.creds.rgid);
}

/** getegid(2). */
export function sys_getegid(t: Task): number {
  return t.creds.userNs.fromKgid(t.creds.egid);
}

/** getresuid(2). */
export function sys_getresuid(t: Task): number {
  const c = t.creds;
  const ns = c.userNs;
  return putIds(t, ns.fromKuid(c.ruid), ns.fromKuid(c.euid), ns.fromKuid(c.suid));
}

/** getresgid(2). */
export function sys_getresgid(t: Task): number {
  const c = t.creds;
  const ns = c.userNs;
  return putIds(t, ns.fromKgid(c.rgid), ns.fromKgid(c.egid), ns.fromKgid(c.sgid));
}

function putIds(t: Task, real: number, effective: number, saved: number): number {
  const mm = t.mm;
  if (
    mm.writeU32(t.args[0], real) !== 0 || mm.writeU32(t.args[1], effective) !== 0 ||
    mm.writeU32(t.args[2], saved) !== 0
  ) {
    return -EFAULT;
  }
  return 0;
}

/** The kernel uid of an argument: NO_ID for -1, or -EINVAL for one with no mapping. */
function uidArg(t: Task, i: number): number {
  const id = t.args[i] >>> 0;
  if (id === NO_ID) return NO_ID;
  const kuid = t.creds.userNs.toKuid(id);
  return kuid < 0 ? -EINVAL : kuid;
}

function gidArg(t: Task, i: number): number {
  const id = t.args[i] >>> 0;
  if (id === NO_ID) return NO_ID;
  const kgid = t.creds.userNs.toKgid(id);
  return kgid < 0 ? -EINVAL : kgid;
}

function commitUids(t: Task, creds: Credentials): number {
  fixupAfterSetuid(creds, t.creds, rootUid(t));
  commitCreds(t, creds);
  return 0;
}

function rootUid(t: Task): number {
  return t.creds.userNs.toKuid(0);
}

/** setuid(2). */
export function sys_setuid(t: Task): number {
  const uid = uidArg(t, 0);
  if (uid < 0 || uid === NO_ID) return -EINVAL;
  const old = t.creds;
  const creds = old.clone();
  if (old.capable(CAP_SETUID)) creds.ruid = creds.suid = uid;
  else if (uid !== old.ruid && uid !== old.suid) return -EPERM;
  creds.euid = creds.fsuid = uid;
  return commitUids(t, creds);
}

/** setreuid(2). */
export function sys_setreuid(t: Task): number {
  const ruid = uidArg(t, 0);
  const euid = uidArg(t, 1);
  if (ruid < 0 || euid < 0) return -EINVAL;
  const old = t.creds;
  const privileged = old.capable(CAP_SETUID);
  const creds = old.clone();
  if (ruid !== NO_ID) {
    if (ruid !== old.ruid && ruid !== old.euid && !privileged) return -EPERM;
    creds.ruid = ruid;
  }
  if (euid !== NO_ID) {
    if (euid !== old.ruid && euid !== old.euid && euid !== old.suid && !privileged) return -EPERM;
    creds.euid = euid;
  }
  if (ruid !== NO_ID || (euid !== NO_ID && euid !== old.ruid)) creds.suid = creds.euid;
  creds.fsuid = creds.euid;
  return commitUids(t, creds);
}

/** setresuid(2). */
export function sys_setresuid(t: Task): number {
  const ruid = uidArg(t, 0);
  const euid = uidArg(t, 1);
  const suid = uidArg(t, 2);
  if (ruid < 0 || euid < 0 || suid < 0) return -EINVAL;
  const old = t.creds;
  const privileged = old.capable(CAP_SETUID);
  const allowed = (id: number) =>
    id === NO_ID || privileged || id === old.ruid || id === old.euid || id === old.suid;
  if (!allowed(ruid) || !allowed(euid) || !allowed(suid)) return -EPERM;
  const creds = old.clone();
  if (ruid !== NO_ID) creds.ruid = ruid;
  if (euid !== NO_ID) creds.euid = euid;
  if (suid !== NO_ID) creds.suid = suid;
  creds.fsuid = creds.euid;
  return commitUids(t, creds);
}

/** setfsuid(2): returns the old one, whatever happens. */
export function sys_setfsuid(t: Task): number {
  const old = t.creds;
  const result = old.userNs.fromKuid(old.fsuid);
  const uid = uidArg(t, 0);
  if (uid < 0 || uid === NO_ID) return result;
  if (
    uid === old.ruid || uid === old.euid || uid === old.suid || uid === old.fsuid ||
    old.capable(CAP_SETUID)
  ) {
    const creds = old.clone();
    creds.fsuid = uid;
    fixupAfterSetfsuid(creds, old, rootUid(t));
    commitCreds(t, creds);
  }
  return result;
}

/** setgid(2). */
export function sys_setgid(t: Task): number {
  const gid = gidArg(t, 0);
  if (gid < 0 || gid === NO_ID) return -EINVAL;
  const old = t.creds;
  const creds = old.clone();
  if (old.capable(CAP_SETGID)) creds.rgid = creds.sgid = gid;
  else if (gid !== old.rgid && gid !== old.sgid) return -EPERM;
  creds.egid = creds.fsgid = gid;
  commitCreds(t, creds);
  return 0;
}

/** setregid(2). */
export function sys_setregid(t: Task): number {
  const rgid = gidArg(t, 0);
  const egid = gidArg(t, 1);
  if (rgid < 0 || egid < 0) return -EINVAL;
  const old = t.creds;
  const privileged = old.capable(CAP_SETGID);
  const creds = old.clone();
  if (rgid !== NO_ID) {
    if (rgid !== old.rgid && rgid !== old.egid && !privileged) return -EPERM;
    creds.rgid = rgid;
  }
  if (egid !== NO_ID) {
    if (egid !== old.rgid && egid !== old.egid && egid !== old.sgid && !privileged) return -EPERM;
    creds.egid = egid;
  }
  if (rgid !== NO_ID || (egid !== NO_ID && egid !== old.rgid)) creds.sgid = creds.egid;
  creds.fsgid = creds.egid;
  commitCreds(t, creds);
  return 0;
}

/** setresgid(2). */
export function sys_setresgid(t: Task): number {
  const rgid = gidArg(t, 0);
  const egid = gidArg(t, 1);
  const sgid = gidArg(t, 2);
  if (rgid < 0 || egid < 0 || sgid < 0) return -EINVAL;
  const old = t.creds;
  const privileged = old.capable(CAP_SETGID);
  const allowed = (id: number) =>
    id === NO_ID || privileged || id === old.rgid || id === old.egid || id === old.sgid;
  if (!allowed(rgid) || !allowed(egid) || !allowed(sgid)) return -EPERM;
  const creds = old.clone();
  if (rgid !== NO_ID) creds.rgid = rgid;
  if (egid !== NO_ID) creds.egid = egid;
  if (sgid !== NO_ID) creds.sgid = sgid;
  creds.fsgid = creds.egid;
  commitCreds(t, creds);
  return 0;
}

/** setfsgid(2): returns the old one, whatever happens. */
export function sys_setfsgid(t: Task): number {
  const old = t.creds;
  const result = old.userNs.fromKgid(old.fsgid);
  const gid = gidArg(t, 0);
  if (gid < 0 || gid === NO_ID) return result;
  if (
    gid === old.rgid || gid === old.egid || gid === old.sgid || gid === old.fsgid ||
    old.capable(CAP_SETGID)
  ) {
    const creds = old.clone();
    creds.fsgid = gid;
    commitCreds(t, creds);
  }
  return result;
}

/** getgroups(2). */
export function sys_getgroups(t: Task): number {
  const size = t.args[0] | 0;
  const groups = t.creds.groups;
  if (size < 0) return -EINVAL;
  if (size === 0) return groups.length;
  if (size < groups.length) return -EINVAL;
  for (let i = 0; i < groups.length; i++) {
    if (t.mm.writeU32(t.args[1] + 4 * i, t.creds.userNs.fromKgid(groups[i])) !== 0) return -EFAULT;
  }
  return groups.length;
}

/** setgroups(2). */
export function sys_setgroups(t: Task): number {
  const size = t.args[0] | 0;
  const ns = t.creds.userNs;
  if (!t.creds.capable(CAP_SETGID) || !ns.setgroupsAllowed) return -EPERM;
  if (size < 0 || size > NGROUPS_MAX) return -EINVAL;
  const groups: number[] = [];
  for (let i = 0; i < size; i++) {
    const gid = t.mm.readU32(t.args[1] + 4 * i);
    if (gid < 0) return -EFAULT;
    const kgid = ns.toKgid(gid);
    if (kgid < 0) return -EINVAL;
    groups.push(kgid);
  }
  const creds = t.creds.clone();
  creds.groups = groups.sort((a, b) => a - b);
  commitCreds(t, creds);
  return 0;
}

/** Reads the header of capget and capset; how many words a set has, or a negative errno. */
function capWords(t: Task): number {
  if (t.copyIn(t.args[0], 8) !== 0) return -EFAULT;
  switch (t.view.getUint32(0, true)) {
    case LINUX_CAPABILITY_VERSION_1:
      return 1;
    case LINUX_CAPABILITY_VERSION_2:
    case LINUX_CAPABILITY_VERSION_3:
      return 2;
    default:
      // Asking with no version is how to learn which one to use.
      return t.mm.writeU32(t.args[0], LINUX_CAPABILITY_VERSION_3) !== 0 ? -EFAULT : -EINVAL;
  }
}

/** capget(2). */
export function sys_capget(t: Task): number {
  const words = capWords(t);
  if (words < 0) return words === -EINVAL && t.args[1] === 0 ? 0 : words;
  const pid = t.view.getInt32(4, true);
  if (pid < 0) return -EINVAL;
  const target = pid === 0 ? t : t.pid.ns.task(pid);
  if (target === null) return -ESRCH;
  if (t.args[1] === 0) return 0;
  const c = target.creds;
  putSet(t, 0, c.effective);
  putSet(t, 4, c.permitted);
  putSet(t, 8, c.inheritable);
  return t.copyOut(t.args[1], 12 * words);
}

function putSet(t: Task, offset: number, set: CapabilitySet): void {
  t.view.setInt32(offset, set.lo, true);
  t.view.setInt32(offset + 12, set.hi, true);
}

/** capset(2). */
export function sys_capset(t: Task): number {
  const words = capWords(t);
  if (words < 0) return words;
  const pid = t.view.getInt32(4, true);
  if (pid !== 0 && pid !== t.tid) return -EPERM;
  if (t.copyIn(t.args[1], 12 * words) !== 0) return -EFAULT;
  if (words === 1) t.scratch.fill(0, 12, 24);
  const effective = getSet(t, 0);
  const permitted = getSet(t, 4);
  const inheritable = getSet(t, 8);
  const old = t.creds;
  if (!old.capable(CAP_SETPCAP)) {
    if (!inheritable.isSubsetOf(old.inheritable.or(old.permitted))) return -EPERM;
  }
  if (!inheritable.isSubsetOf(old.inheritable.or(old.bounding))) return -EPERM;
  if (!permitted.isSubsetOf(old.permitted) || !effective.isSubsetOf(permitted)) return -EPERM;
  const creds = old.clone();
  creds.effective = effective;
  creds.permitted = permitted;
  creds.inheritable = inheritable;
  creds.ambient = creds.ambient.and(permitted).and(inheritable);
  commitCreds(t, creds);
  return 0;
}

function getSet(t: Task, offset: number): CapabilitySet {
  const known = CapabilitySet.full();
  const high = t.view.getInt32(offset + 12, true) & known.hi;
  return new CapabilitySet(t.view.getInt32(offset, true), high);
}
