/**
 * Credentials (credentials(7), capabilities(7)). A {@link Credentials} object is immutable once a task has it: changes
 * make a copy, so tasks and open files share them freely. Ids are kernel ids.
 */

import { CAP_LAST_CAP } from "../../abi/capability.ts";
import { namespaceCapable, UserNamespace } from "./user_namespace.ts";

/** A set of capabilities in two halves: capability c is bit c, or bit c - 32 of `hi`. */
export class CapabilitySet {
  constructor(public lo: number, public hi: number) {}

  /** All that exist. */
  static full(): CapabilitySet {
    return new CapabilitySet(-1, (1 << (CAP_LAST_CAP - 31)) - 1);
  }

  /** None. */
  static empty(): CapabilitySet {
    return new CapabilitySet(0, 0);
  }

  /** The set of the given capabilities. */
  static of(...caps: number[]): CapabilitySet {
    const set = new CapabilitySet(0, 0);
    for (const cap of caps) set.add(cap);
    return set;
  }

  /** Whether `cap` is in the set. */
  has(cap: number): boolean {
    return ((cap < 32 ? this.lo >>> cap : this.hi >>> (cap - 32)) & 1) !== 0;
  }

  /** Adds `cap`. */
  add(cap: number): void {
    if (cap < 32) this.lo |= 1 << cap;
    else this.hi |= 1 << (cap - 32);
  }

  /** Removes `cap`. */
  drop(cap: number): void {
    if (cap < 32) this.lo &= ~(1 << cap);
    else this.hi &= ~(1 << (cap - 32));
  }

  /** A copy. */
  clone(): CapabilitySet {
    return new CapabilitySet(this.lo, this.hi);
  }

  /** Whether nothing is in it. */
  get isEmpty(): boolean {
    return this.lo === 0 && this.hi === 0;
  }

  /** Whether every member is in `other`. */
  isSubsetOf(other: CapabilitySet): boolean {
    return (this.lo & ~other.lo) === 0 && (this.hi & ~other.hi) === 0;
  }

  /** A new set of what is in both. */
  and(other: CapabilitySet): CapabilitySet {
    return new CapabilitySet(this.lo & other.lo, this.hi & other.hi);
  }

  /** A new set of what is in either. */
  or(other: CapabilitySet): CapabilitySet {
    return new CapabilitySet(this.lo | other.lo, this.hi | other.hi);
  }

  /** A new set of what is in this but not in `other`. */
  without(other: CapabilitySet): CapabilitySet {
    return new CapabilitySet(this.lo & ~other.lo, this.hi & ~other.hi);
  }
}

/** Who a task is and what it may do. */
export class Credentials {
  userNs: UserNamespace;
  ruid = 0;
  euid = 0;
  suid = 0;
  fsuid = 0;
  rgid = 0;
  egid = 0;
  sgid = 0;
  fsgid = 0;
  /** Supplementary groups, ascending. */
  groups: readonly number[] = [];
  permitted: CapabilitySet = CapabilitySet.empty();
  effective: CapabilitySet = CapabilitySet.empty();
  inheritable: CapabilitySet = CapabilitySet.empty();
  bounding: CapabilitySet = CapabilitySet.full();
  ambient: CapabilitySet = CapabilitySet.empty();
  securebits = 0;
  /** PR_SET_KEEPCAPS is securebits' SECBIT_KEEP_CAPS; no_new_privs lives here as it is inherited alike. */
  noNewPrivs = false;

  constructor(userNs: UserNamespace) {
    this.userNs = userNs;
  }

  /** Root with every capability in `userNs`. */
  static root(userNs: UserNamespace): Credentials {
    const creds = new Credentials(userNs);
    creds.permitted = CapabilitySet.full();
    creds.effective = CapabilitySet.full();
    return creds;
  }

  /** An ordinary or root user with the given ids, and all capabilities if `uid` is 0. */
  static user(userNs: UserNamespace, uid: number, gid: number, groups: number[] = []): Credentials {
    const creds = uid === 0 ? Credentials.root(userNs) : new Credentials(userNs);
    creds.ruid =
      creds.euid =
      creds.suid =
      creds.fsuid =
        uid;
    creds.rgid =
      creds.egid =
      creds.sgid =
      creds.fsgid =
        gid;
    creds.groups = [...groups].sort((a, b) => a - b);
    return creds;
  }

  /** A copy to change and then give to a task. Its sets are copies too. */
  clone(): Credentials {
    const c = new Credentials(this.userNs);
    c.ruid = this.ruid;
    c.euid = this.euid;
    c.suid = this.suid;
    c.fsuid = this.fsuid;
    c.rgid = this.rgid;
    c.egid = this.egid;
    c.sgid = this.sgid;
    c.fsgid = this.fsgid;
    c.groups = this.groups;
    c.permitted = this.permitted.clone();
    c.effective = this.effective.clone();
    c.inheritable = this.inheritable.clone();
    c.bounding = this.bounding.clone();
    c.ambient = this.ambient.clone();
    c.securebits = this.securebits;
    c.noNewPrivs = this.noNewPrivs;
    return c;
  }

  /** Whether `cap` is in the effective set (towards one's own user namespace). */
  hasEffective(cap: number): boolean {
    return this.effective.has(cap);
  }

  /** Whether these have `cap` towards resources of `ns`, by default those of one's own namespace. */
  capable(cap: number, ns: UserNamespace = this.userNs): boolean {
    return ns === this.userNs ? this.effective.has(cap) : namespaceCapable(this, ns, cap);
  }

  /** Whether kernel group `gid` is the file system group or a supplementary one. */
  inGroup(gid: number): boolean {
    return gid === this.fsgid || this.groups.includes(gid);
  }

  /** Whether kernel group `gid` is the effective group or a supplementary one. */
  inEffectiveGroup(gid: number): boolean {
    return gid === this.egid || this.groups.includes(gid);
  }
}
