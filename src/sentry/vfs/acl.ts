/** Access control lists (acl(5)): who may do what to a file, beyond its mode. */

import { EACCES } from "../../abi/errno.ts";
import type { Credentials } from "../kernel/credentials.ts";
import type { Inode } from "./inode.ts";

export const ACL_ACCESS = "system.posix_acl_access";
export const ACL_DEFAULT = "system.posix_acl_default";

const VERSION = 2;
const NO_ID = 0xffffffff;

const enum Tag {
  UserObj = 0x01,
  User = 0x02,
  GroupObj = 0x04,
  Group = 0x08,
  Mask = 0x10,
  Other = 0x20,
}

interface Entry {
  readonly tag: number;
  readonly perm: number;
  readonly id: number;
}

/** A list, whose entries stand in the order of their tags. It is never changed. */
export class Acl {
  private readonly entries: readonly Entry[];

  private constructor(entries: readonly Entry[]) {
    this.entries = entries;
  }

  /** Reads the value of an extended attribute; null if it is no valid list. */
  static parse(bytes: Uint8Array): Acl | null {
    if (bytes.length < 4 || (bytes.length - 4) % 8 !== 0) return null;
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (v.getUint32(0, true) !== VERSION) return null;
    const entries: Entry[] = [];
    for (let at = 4; at < bytes.length; at += 8) {
      const tag = v.getUint16(at, true);
      const named = tag === Tag.User || tag === Tag.Group;
      const id = named ? v.getUint32(at + 4, true) : NO_ID;
      if (named && id === NO_ID) return null;
      entries.push({ tag, perm: v.getUint16(at + 2, true), id });
    }
    return isValid(entries) ? new Acl(entries) : null;
  }

  /** The value of the extended attribute. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(4 + 8 * this.entries.length);
    const v = new DataView(bytes.buffer);
    v.setUint32(0, VERSION, true);
    this.entries.forEach(({ tag, perm, id }, i) => {
      v.setUint16(4 + 8 * i, tag, true);
      v.setUint16(6 + 8 * i, perm, true);
      v.setUint32(8 + 8 * i, id, true);
    });
    return bytes;
  }

  get size(): number {
    return this.entries.length;
  }

  /** The permission bits of a mode that say as much as they can of this list. */
  get mode(): number {
    let mode = 0;
    let group = 0;
    let mask = -1;
    for (const { tag, perm } of this.entries) {
      if (tag === Tag.UserObj) mode |= perm << 6;
      else if (tag === Tag.GroupObj) group = perm;
      else if (tag === Tag.Mask) mask = perm;
      else if (tag === Tag.Other) mode |= perm;
    }
    return mode | (mask >= 0 ? mask : group) << 3;
  }

  /** The mode says all that this list does. */
  get isPlain(): boolean {
    return this.entries.length === 3;
  }

  /** The list after the mode became another (chmod(2)). */
  withMode(mode: number): Acl {
    const hasMask = this.entries.some((e) => e.tag === Tag.Mask);
    return new Acl(this.entries.map((e) => {
      if (e.tag === Tag.UserObj) return { ...e, perm: (mode >> 6) & 7 };
      if (e.tag === Tag.Other) return { ...e, perm: mode & 7 };
      const isGroup = e.tag === (hasMask ? Tag.Mask : Tag.GroupObj);
      return isGroup ? { ...e, perm: (mode >> 3) & 7 } : e;
    }));
  }

  /** The list that a new file gets from this one of its directory, given what its maker asks for. */
  forNew(mode: number): Acl {
    return this.withMode(this.mode & mode);
  }

  /** Whether somebody who does not own the file may do `want` (MAY_* bits): 0 or -EACCES. */
  check(creds: Credentials, inode: Inode, want: number): number {
    let mask = 7;
    for (const e of this.entries) if (e.tag === Tag.Mask) mask = e.perm;
    let found = false;
    for (const { tag, perm, id } of this.entries) {
      switch (tag) {
        case Tag.User:
          if (id === creds.fsuid) return (perm & mask & want) === want ? 0 : -EACCES;
          break;
        case Tag.GroupObj:
        case Tag.Group:
          if (!creds.inGroup(tag === Tag.Group ? id : inode.gid)) break;
          found = true;
          if ((perm & want) === want) return (perm & mask & want) === want ? 0 : -EACCES;
          break;
        case Tag.Other:
          if (!found && (perm & want) === want) return 0;
      }
    }
    return -EACCES;
  }
}

/** Order and completeness as Linux wants them. */
function isValid(entries: readonly Entry[]): boolean {
  let last = 0;
  let seen = 0;
  for (const { tag, perm } of entries) {
    if ((perm & ~7) !== 0 || tag < last) return false;
    const named = tag === Tag.User || tag === Tag.Group;
    if (!named && tag === last) return false;
    if ((tag & (tag - 1)) !== 0 || tag === 0 || tag > Tag.Other) return false;
    last = tag;
    seen |= tag;
  }
  const all = Tag.UserObj | Tag.GroupObj | Tag.Other;
  if ((seen & all) !== all) return false;
  return (seen & (Tag.User | Tag.Group)) === 0 || (seen & Tag.Mask) !== 0;
}

/** Gives a new file what the default list of its directory says; `mode` is what its maker asked for. */
export function inheritAcl(dir: Inode, made: Inode, mode: number): void {
  const list = dir.defaultAcl;
  if (list === null || !made.supportsAcl) return;
  const own = list.forNew(mode);
  made.mode = (made.mode & ~0o777) | own.mode;
  if (!own.isPlain) made.acl = own;
  if (made.isDir) made.defaultAcl = list;
}
