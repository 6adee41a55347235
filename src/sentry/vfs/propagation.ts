/** Mounts that share what happens beneath them (mount_namespaces(7), "Shared subtrees"). */

import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";

/** Mounts that tell each other of everything that is mounted beneath one of them. */
export class PeerGroup {
  readonly id: number;
  readonly members: Mount[];
  /** Mounts that are told, but do not tell. */
  readonly slaves: Mount[];

  constructor(id: number) {
    this.id = id;
    this.members = [];
    this.slaves = [];
  }
}

/** How a mount is copied. */
export const enum Copy {
  /** As it is: into its peer group, and a slave where it is one. */
  Same = 0,
  /** A slave of what it is copied from. */
  Slave = 1,
  /** For a mount namespace, which has unbindable mounts too. */
  Namespace = 2,
  /** For a mount namespace of less privilege: a slave of what is shared. */
  LesserNamespace = 3,
}

/** Makes a new mount belong to others as the mount does that it was copied from. */
export function inherit(copy: Mount, from: Mount, how: Copy): void {
  if (from.group !== null && (how === Copy.Slave || how === Copy.LesserNamespace)) {
    enslave(copy, from.group);
    return;
  }
  if (from.group !== null) join(copy, from.group);
  if (from.master !== null) enslave(copy, from.master);
}

function join(m: Mount, group: PeerGroup): void {
  m.group = group;
  group.members.push(m);
}

function enslave(m: Mount, master: PeerGroup): void {
  m.master = master;
  master.slaves.push(m);
}

function take(list: Mount[], m: Mount): void {
  const i = list.indexOf(m);
  if (i >= 0) list.splice(i, 1);
}

/** Leaves the peer group. The last one to leave hands the group's slaves on to its own master. */
function leave(m: Mount): void {
  const group = m.group;
  if (group === null) return;
  m.group = null;
  take(group.members, m);
  if (group.members.length > 0) return;
  m.fs.vfs.freePeerGroup(group.id);
  for (const slave of group.slaves) {
    slave.master = null;
    if (m.master !== null) enslave(slave, m.master);
  }
  group.slaves.length = 0;
}

function desert(m: Mount): void {
  if (m.master !== null) take(m.master.slaves, m);
  m.master = null;
}

/** MS_SHARED. */
export function makeShared(m: Mount): void {
  m.unbindable = false;
  if (m.group === null) join(m, new PeerGroup(m.fs.vfs.allocatePeerGroup()));
}

/** MS_SLAVE: of its peers; what has none becomes a slave of its master only. */
export function makeSlave(m: Mount): void {
  const group = m.group;
  if (group === null) return;
  const alone = group.members.length === 1;
  leave(m);
  if (alone) return;
  desert(m);
  enslave(m, group);
}

/** MS_PRIVATE; also when a mount goes. */
export function makePrivate(m: Mount): void {
  leave(m);
  desert(m);
  m.unbindable = false;
}

/** MS_UNBINDABLE. */
export function makeUnbindable(m: Mount): void {
  makePrivate(m);
  m.unbindable = true;
}

/** Copies a mount and all beneath it, and notes in `copies` which became which. */
export function copyTree(
  m: Mount,
  copies: Map<Mount, Mount> | null,
  root: Dentry = m.root,
  how: Copy = Copy.Same,
): Mount {
  const copy = m.clone(root, how);
  copies?.set(m, copy);
  for (const child of m.children) {
    if (!child.mountpoint!.isWithin(root)) continue;
    if (child.unbindable && how < Copy.Namespace) continue;
    copyTree(child, copies, child.root, how).attach(copy, child.mountpoint!);
  }
  return copy;
}

/** A copy of what is being mounted, and the mount that it belongs beneath. */
export interface Arrival {
  readonly copy: Mount;
  readonly parent: Mount;
}

/** Copies for all mounts that a mount of `tree` at `at` on `parent`, which is shared, reaches. */
export function spread(parent: Mount, tree: Mount, at: Dentry): Arrival[] {
  const arrivals: Arrival[] = [];
  spreadIn(parent.group!, parent, tree, at, arrivals);
  return arrivals;
}

function spreadIn(
  group: PeerGroup,
  origin: Mount,
  tree: Mount,
  at: Dentry,
  arrivals: Arrival[],
): void {
  for (const peer of group.members) {
    if (peer === origin || !at.isWithin(peer.root)) continue;
    arrivals.push({ copy: copyTree(tree, null), parent: peer });
  }
  const seen = new Set<PeerGroup>();
  for (const slave of group.slaves) {
    if (!at.isWithin(slave.root) || (slave.group !== null && seen.has(slave.group))) continue;
    const copy = copyTree(tree, null, tree.root, Copy.Slave);
    arrivals.push({ copy, parent: slave });
    if (slave.group === null) continue;
    seen.add(slave.group);
    shareTree(copy);
    spreadIn(slave.group, slave, copy, at, arrivals);
  }
}

/** Makes a mount and all beneath it shared, as what is mounted on a shared mount becomes. */
export function shareTree(m: Mount): void {
  makeShared(m);
  for (const child of m.children) shareTree(child);
}

/** Whether a mount or one beneath it may not be copied. */
export function hasUnbindable(m: Mount): boolean {
  return m.unbindable || m.children.some(hasUnbindable);
}

/** The mounts that came to be elsewhere when `m` was mounted, and go with it. */
export function counterparts(m: Mount): Mount[] {
  const found: Mount[] = [];
  const at = m.mountpoint;
  const parent = m.parent;
  if (at === null || parent === null || parent.group === null) return found;
  const groups = [parent.group];
  for (let i = 0; i < groups.length; i++) {
    for (const mount of [...groups[i].members, ...groups[i].slaves]) {
      if (mount === parent) continue;
      const group = mount.group;
      if (group !== null && !groups.includes(group)) groups.push(group);
      const child = at.mounts === null ? null : mount.childAt(at);
      if (child !== null && child !== m && child.fs === m.fs && child.root === m.root) {
        if (!found.includes(child)) found.push(child);
      }
    }
  }
  return found;
}
