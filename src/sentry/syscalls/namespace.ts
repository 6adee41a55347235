/** Namespaces and what tasks share (unshare(2), setns(2)). */

import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from "../../abi/capability.ts";
import { EBADF, EINVAL, ENOSPC, EPERM } from "../../abi/errno.ts";
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
} from "../../abi/sched.ts";
import { CapabilitySet } from "../kernel/credentials.ts";
import { NamespaceFile } from "../kernel/namespace_file.ts";
import {
  CgroupNamespace,
  IpcNamespace,
  NetNamespace,
  type NsProxy,
  TimeNamespace,
  UtsNamespace,
} from "../kernel/namespaces.ts";
import { MAX_PID_NS_LEVEL, PidNamespace } from "../kernel/pid.ts";
import { PidFile } from "../kernel/pidfd.ts";
import { commitCreds } from "../kernel/task_creds.ts";
import { ALL_NAMESPACES } from "../kernel/task_clone.ts";
import { leaveUndoList } from "../kernel/task_exit.ts";
import type { Task } from "../kernel/task.ts";
import { NAMESPACE_FLAGS, newNamespaces, newUserNamespace } from "../kernel/unshare.ts";
import { UserNamespace } from "../kernel/user_namespace.ts";
import { MountNamespace } from "../vfs/mount_namespace.ts";
import { Path } from "../vfs/path.ts";

const UNSHARE_FLAGS = ALL_NAMESPACES | CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_VM |
  CLONE_SIGHAND | CLONE_THREAD;

/** unshare(2). */
export function sys_unshare(t: Task): number {
  let flags = t.args[0] | 0;
  if ((flags & ~UNSHARE_FLAGS) !== 0) return -EINVAL;
  if ((flags & CLONE_NEWUSER) !== 0) flags |= CLONE_THREAD | CLONE_FS;
  if ((flags & CLONE_NEWNS) !== 0) flags |= CLONE_FS;
  if ((flags & CLONE_VM) !== 0) flags |= CLONE_SIGHAND;
  if ((flags & CLONE_SIGHAND) !== 0) flags |= CLONE_THREAD;
  if ((flags & CLONE_THREAD) !== 0 && t.group.tasks.length > 1) return -EINVAL;
  if ((flags & CLONE_VM) !== 0 && t.mm.users > 1) return -EINVAL;
  let creds = t.creds;
  if ((flags & CLONE_NEWUSER) !== 0) {
    const own = newUserNamespace(creds, t);
    if (typeof own === "number") return own;
    creds = own;
  } else if ((flags & NAMESPACE_FLAGS) !== 0 && !creds.capable(CAP_SYS_ADMIN)) {
    return -EPERM;
  }
  let pids = t.nsproxy.pidForChildren;
  if ((flags & CLONE_NEWPID) !== 0) {
    if (pids !== t.pid.ns) return -EINVAL;
    if (pids.level >= MAX_PID_NS_LEVEL) return -ENOSPC;
    pids = new PidNamespace(pids);
  }
  if ((flags & CLONE_FS) !== 0 && t.fs.users > 1) {
    const own = t.fs.fork();
    t.fs.release();
    t.fs = own;
  }
  if ((flags & CLONE_FILES) !== 0 && t.files.users > 1) {
    const own = t.files.fork();
    t.files.release(t);
    t.files = own;
  }
  // What a task did to semaphores of a namespace that it leaves is undone there.
  if ((flags & (CLONE_SYSVSEM | CLONE_NEWIPC)) !== 0) leaveUndoList(t);
  if (creds !== t.creds) commitCreds(t, creds);
  if ((flags & NAMESPACE_FLAGS) !== 0) {
    enterNamespaces(t, newNamespaces(t, flags, creds, t.fs, pids));
  }
  return 0;
}

function enterNamespaces(t: Task, next: NsProxy): void {
  const old = t.nsproxy;
  t.nsproxy = next.retain();
  old.release();
}

/** setns(2). */
export function sys_setns(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  const type = t.args[1] | 0;
  if (file === null) return -EBADF;
  if (file instanceof NamespaceFile) {
    if (type !== 0 && type !== file.type) return -EINVAL;
    return enter(t, file.namespace);
  }
  if (!(file instanceof PidFile) || type === 0 || (type & ~ALL_NAMESPACES) !== 0) return -EINVAL;
  const target = file.group.leader;
  const from = target.nsproxy;
  const wanted: [number, object][] = [
    [CLONE_NEWUSER, target.creds.userNs],
    [CLONE_NEWNS, from.mnt],
    [CLONE_NEWUTS, from.uts],
    [CLONE_NEWIPC, from.ipc],
    [CLONE_NEWNET, from.net],
    [CLONE_NEWCGROUP, from.cgroup],
    [CLONE_NEWPID, target.pid.ns],
    [CLONE_NEWTIME, from.time],
  ];
  for (const [flag, namespace] of wanted) {
    if ((type & flag) === 0) continue;
    const r = enter(t, namespace);
    if (r !== 0) return r;
  }
  return 0;
}

function enter(t: Task, namespace: object): number {
  if (namespace instanceof UserNamespace) return enterUser(t, namespace);
  if (namespace instanceof MountNamespace) return enterMount(t, namespace);
  if (namespace instanceof PidNamespace) {
    if (!t.creds.capable(CAP_SYS_ADMIN)) return -EPERM;
    if (!namespace.isWithin(t.pid.ns)) return -EINVAL;
    enterNamespaces(t, t.nsproxy.with({ pidForChildren: namespace }));
    return 0;
  }
  let change: Partial<NsProxy>;
  let owner: UserNamespace;
  if (namespace instanceof UtsNamespace) {
    change = { uts: namespace };
    owner = namespace.userNs;
  } else if (namespace instanceof IpcNamespace) {
    change = { ipc: namespace };
    owner = namespace.userNs;
    if (t.creds.capable(CAP_SYS_ADMIN, owner)) leaveUndoList(t);
  } else if (namespace instanceof NetNamespace) {
    change = { net: namespace };
    owner = namespace.userNs;
  } else if (namespace instanceof CgroupNamespace) {
    change = { cgroup: namespace };
    owner = namespace.userNs;
  } else if (namespace instanceof TimeNamespace) {
    change = { time: namespace, timeForChildren: namespace };
    owner = namespace.userNs;
  } else {
    return -EINVAL;
  }
  if (!t.creds.capable(CAP_SYS_ADMIN, owner) || !t.creds.capable(CAP_SYS_ADMIN)) return -EPERM;
  enterNamespaces(t, t.nsproxy.with(change));
  return 0;
}

function enterUser(t: Task, ns: UserNamespace): number {
  if (ns === t.creds.userNs || t.group.tasks.length > 1 || t.fs.users > 1) return -EINVAL;
  if (!t.creds.capable(CAP_SYS_ADMIN, ns)) return -EPERM;
  const creds = t.creds.clone();
  creds.userNs = ns;
  creds.permitted = CapabilitySet.full();
  creds.effective = CapabilitySet.full();
  creds.inheritable = CapabilitySet.empty();
  creds.bounding = CapabilitySet.full();
  creds.ambient = CapabilitySet.empty();
  commitCreds(t, creds);
  return 0;
}

function enterMount(t: Task, ns: MountNamespace): number {
  if (!t.creds.capable(CAP_SYS_ADMIN) || !t.creds.capable(CAP_SYS_CHROOT)) return -EPERM;
  if (t.fs.users > 1) return -EINVAL;
  enterNamespaces(t, t.nsproxy.with({ mnt: ns }));
  const root = new Path(ns.root, ns.root.root);
  t.fs.setRoot(root);
  t.fs.setCwd(root);
  return 0;
}
