/** Leaving and making namespaces (unshare(2), setns(2), clone(2)). */

import { EINVAL, ENOSPC, EPERM } from "../../abi/errno.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUTS,
} from "../../abi/sched.ts";
import type { FsContext } from "../vfs/fs_context.ts";
import { CapabilitySet, type Credentials } from "./credentials.ts";
import {
  CgroupNamespace,
  IpcNamespace,
  NetNamespace,
  type NsProxy,
  TimeNamespace,
} from "./namespaces.ts";
import type { PidNamespace } from "./pid.ts";
import type { Task } from "./task.ts";
import { UserNamespace } from "./user_namespace.ts";

/** Flags that make namespaces of the {@link NsProxy}. */
export const NAMESPACE_FLAGS = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET |
  CLONE_NEWCGROUP | CLONE_NEWPID | CLONE_NEWTIME;
/** As deep as user namespaces nest (user_namespaces(7)). */
const MAX_USER_NS_LEVEL = 32;

/** Credentials in a new user namespace, with every capability there; or a negative errno. */
export function newUserNamespace(creds: Credentials, t: Task): Credentials | number {
  if (creds.userNs.level >= MAX_USER_NS_LEVEL) return -ENOSPC;
  // A process in a chroot could leave it with the capabilities that it would gain.
  const mountRoot = t.nsproxy.mnt.root;
  if (t.fs.root.mount !== mountRoot && t.fs.root.mount.parent !== null) return -EPERM;
  if (!creds.userNs.hasKuid(creds.euid) || !creds.userNs.hasKgid(creds.egid)) return -EPERM;
  const own = creds.clone();
  own.userNs = new UserNamespace(creds.userNs, creds.euid, creds.egid);
  own.permitted = CapabilitySet.full();
  own.effective = CapabilitySet.full();
  own.inheritable = CapabilitySet.empty();
  own.bounding = CapabilitySet.full();
  own.ambient = CapabilitySet.empty();
  own.securebits = 0;
  return own;
}

/** The namespaces of a task whose maker is `t`; `pids` is where its children, or it, get their ids. */
export function newNamespaces(
  t: Task,
  flags: number,
  creds: Credentials,
  fs: FsContext,
  pids: PidNamespace,
): NsProxy {
  const old = t.nsproxy;
  const user = creds.userNs;
  const time = (flags & CLONE_NEWTIME) !== 0 ? new TimeNamespace(user) : old.timeForChildren;
  return old.with({
    uts: (flags & CLONE_NEWUTS) !== 0 ? old.uts.clone(user) : old.uts,
    ipc: (flags & CLONE_NEWIPC) !== 0 ? new IpcNamespace(user) : old.ipc,
    mnt: (flags & CLONE_NEWNS) !== 0 ? old.mnt.fork(fs, user.level === 0 ? null : user) : old.mnt,
    net: (flags & CLONE_NEWNET) !== 0 ? new NetNamespace(user) : old.net,
    cgroup: (flags & CLONE_NEWCGROUP) !== 0 ? new CgroupNamespace(user) : old.cgroup,
    pidForChildren: pids,
    timeForChildren: time,
  });
}

/** Whether unshare(2) may be asked this. */
export function checkUnshare(flags: number, known: number): number {
  return (flags & ~known) !== 0 ? -EINVAL : 0;
}
