/** User namespaces (user_namespaces(7)): who is root over what, and how identities map between them. */

import type { Credentials } from "./credentials.ts";

/** One line of uid_map or gid_map. */
export class IdRange {
  constructor(readonly first: number, readonly lower: number, readonly count: number) {}
}

/** The identity that stands for ids with no mapping (/proc/sys/kernel/overflowuid). */
export const OVERFLOW_ID = 65534;

/** A user namespace. Kernel ids (kuid, kgid) are those of the root namespace. */
export class UserNamespace {
  readonly parent: UserNamespace | null;
  readonly level: number;
  /** Kernel ids of the creator. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  /** Lines of uid_map; the root namespace maps everything to itself. */
  uidMap: IdRange[];
  gidMap: IdRange[];
  /** Whether setgroups(2) is allowed ("allow" in /proc/PID/setgroups). */
  setgroupsAllowed = true;

  constructor(parent: UserNamespace | null, ownerUid = 0, ownerGid = 0) {
    this.parent = parent;
    this.level = parent === null ? 0 : parent.level + 1;
    this.ownerUid = ownerUid;
    this.ownerGid = ownerGid;
    this.uidMap = parent === null ? [new IdRange(0, 0, 0xffffffff)] : [];
    this.gidMap = parent === null ? [new IdRange(0, 0, 0xffffffff)] : [];
  }

  /** The kernel uid of `uid` as named inside this namespace, or -1. */
  toKuid(uid: number): number {
    return this.parent === null ? uid : toKernel(this, this.uidMap, uid, true);
  }

  /** The kernel gid of `gid` as named inside this namespace, or -1. */
  toKgid(gid: number): number {
    return this.parent === null ? gid : toKernel(this, this.gidMap, gid, false);
  }

  /** The uid that this namespace sees for a kernel uid: the overflow uid if it has none. */
  fromKuid(kuid: number): number {
    if (this.parent === null) return kuid;
    const id = fromKernel(this, kuid, true);
    return id < 0 ? OVERFLOW_ID : id;
  }

  /** The gid that this namespace sees for a kernel gid: the overflow gid if it has none. */
  fromKgid(kgid: number): number {
    if (this.parent === null) return kgid;
    const id = fromKernel(this, kgid, false);
    return id < 0 ? OVERFLOW_ID : id;
  }

  /** Whether a kernel uid has a name here. */
  hasKuid(kuid: number): boolean {
    return this.parent === null || fromKernel(this, kuid, true) >= 0;
  }

  /** Whether a kernel gid has a name here. */
  hasKgid(kgid: number): boolean {
    return this.parent === null || fromKernel(this, kgid, false) >= 0;
  }

  /** Whether `this` is `other` or lies below it. */
  isWithin(other: UserNamespace): boolean {
    let ns: UserNamespace | null = this as UserNamespace;
    while (ns !== null && ns.level > other.level) ns = ns.parent;
    return ns === other;
  }
}

/** Whether `creds` have capability `cap` towards resources of `ns` (capabilities(7), user_namespaces(7)). */
export function namespaceCapable(creds: Credentials, ns: UserNamespace, cap: number): boolean {
  let target = ns;
  for (;;) {
    if (target === creds.userNs) return creds.hasEffective(cap);
    // Namespaces at or above the level of one's own can not be below it.
    if (target.level <= creds.userNs.level || target.parent === null) return false;
    // The creator of a namespace has all capabilities in it, seen from the parent.
    if (target.parent === creds.userNs && target.ownerUid === creds.euid) return true;
    target = target.parent;
  }
}

function toKernel(ns: UserNamespace, map: IdRange[], id: number, uid: boolean): number {
  for (const range of map) {
    if (id >= range.first && id - range.first < range.count) {
      const lower = range.lower + (id - range.first);
      const parent = ns.parent;
      if (parent === null) return lower;
      return uid ? parent.toKuid(lower) : parent.toKgid(lower);
    }
  }
  return -1;
}

function fromKernel(ns: UserNamespace, kernelId: number, uid: boolean): number {
  if (ns.parent === null) return kernelId;
  const lower = fromKernel(ns.parent, kernelId, uid);
  if (lower < 0) return -1;
  for (const range of uid ? ns.uidMap : ns.gidMap) {
    if (lower >= range.lower && lower - range.lower < range.count) {
      return range.first + (lower - range.lower);
    }
  }
  return -1;
}
