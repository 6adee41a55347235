/** Keys and keyrings: add_key(2), request_key(2), keyctl(2). */

import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import {
  EACCES,
  EDEADLK,
  EEXIST,
  EFAULT,
  EINVAL,
  EKEYREVOKED,
  ENODEV,
  ENOENT,
  ENOKEY,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
} from "../../abi/errno.ts";
import * as k from "../../abi/keys.ts";
import { putString } from "../kernel/bytes.ts";
import { type Key, keyStore } from "../kernel/keys/key.ts";
import {
  joinSession,
  lookupKey,
  MAX_DEPTH,
  possesses,
  searchAll,
  searchRing,
} from "../kernel/keys/lookup.ts";
import type { Task } from "../kernel/task.ts";

const MOST_PAYLOAD = (1 << 20) - 1;
const MOST_USER_PAYLOAD = 32767;
const TYPE_LENGTH = 32;
const PAGE = 4096;
/** The types that there are. */
const TYPES: ReadonlySet<string> = new Set(["user", "logon", "keyring"]);

function typeArg(t: Task, address: number): string | number {
  const type = t.mm.readString(address, TYPE_LENGTH);
  if (typeof type === "number") return type === -EFAULT ? -EFAULT : -EINVAL;
  if (type === "") return -EINVAL;
  return type.startsWith(".") ? -EPERM : type;
}

function textArg(t: Task, address: number): string | number {
  const text = t.mm.readString(address, PAGE);
  return typeof text === "number" && text !== -EFAULT ? -EINVAL : text;
}

function keyringOf(
  t: Task,
  id: number,
  need: number,
  create = false,
): { key: Key; possessed: boolean } | number {
  const found = lookupKey(t, id, need, create);
  if (typeof found === "number") return found;
  return found.key.links === null ? -ENOTDIR : found;
}

/** add_key(2). */
export function add_key(t: Task): number {
  const [typeAddress, textAddress, payloadAddress, length] = t.args;
  if (length < 0 || length > MOST_PAYLOAD) return -EINVAL;
  const type = typeArg(t, typeAddress);
  if (typeof type === "number") return type;
  const description = textAddress === 0 ? "" : textArg(t, textAddress);
  if (typeof description === "number") return description;
  if (type === "keyring" && description.startsWith(".")) return -EPERM;
  const payload = new Uint8Array(length);
  if (length > 0 && t.mm.copyIn(payloadAddress, payload, 0, length) !== 0) return -EFAULT;
  const ring = keyringOf(t, t.args[4] | 0, k.KEY_NEED_WRITE, true);
  if (typeof ring === "number") return ring;
  if (!TYPES.has(type)) return -ENODEV;
  const invalid = checkPayload(type, description, payload);
  if (invalid !== 0) return invalid;
  const store = keyStore(t.kernel);
  const old = type === "keyring" ? null : ring.key.find(type, description);
  if (old !== null && old.state(t.kernel.clock.realtime()) === 0) {
    if (!old.allows(t, ring.possessed, k.KEY_NEED_WRITE)) return -EACCES;
    const r = store.update(old, payload);
    return r < 0 ? r : old.serial;
  }
  let permissions = k.KEY_POS_VIEW | k.KEY_POS_SEARCH | k.KEY_POS_LINK | k.KEY_POS_SETATTR |
    k.KEY_POS_WRITE | k.KEY_USR_VIEW;
  if (type !== "logon") permissions |= k.KEY_POS_READ;
  const owner = { uid: t.creds.fsuid, gid: t.creds.fsgid };
  const key = store.make(type, description, owner, permissions, payload);
  if (typeof key === "number") return key;
  ring.key.link(key);
  return key.serial;
}

function checkPayload(type: string, description: string, payload: Uint8Array): number {
  if (type === "keyring") return payload.length === 0 ? 0 : -EINVAL;
  if (payload.length === 0 || payload.length > MOST_USER_PAYLOAD) return -EINVAL;
  // A logon key is told apart by the service before a colon.
  return type === "logon" && description.indexOf(":") <= 0 ? -EINVAL : 0;
}

/** request_key(2): nobody makes keys on demand here, so that what is not there is not found. */
export function request_key(t: Task): number {
  const type = typeArg(t, t.args[0]);
  if (typeof type === "number") return type;
  const description = textArg(t, t.args[1]);
  if (typeof description === "number") return description;
  if (t.args[2] !== 0) {
    const callout = textArg(t, t.args[2]);
    if (typeof callout === "number") return callout;
  }
  const id = t.args[3] | 0;
  const ring = id === 0 ? null : keyringOf(t, id, k.KEY_NEED_WRITE, true);
  if (typeof ring === "number") return ring;
  if (!TYPES.has(type)) return -ENOKEY;
  const found = searchAll(t, type, description);
  if (typeof found === "number") return found;
  if (ring !== null) ring.key.link(found);
  return found.serial;
}

/** keyctl(2). */
export function keyctl(t: Task): number {
  const [, a, b, c, d] = t.args;
  switch (t.args[0] | 0) {
    case k.KEYCTL_GET_KEYRING_ID: {
      const found = lookupKey(t, a | 0, k.KEY_NEED_SEARCH, (b | 0) !== 0);
      return typeof found === "number" ? found : found.key.serial;
    }
    case k.KEYCTL_JOIN_SESSION_KEYRING:
      return join(t, a);
    case k.KEYCTL_UPDATE:
      return update(t, a | 0, b, c);
    case k.KEYCTL_REVOKE:
      return onKey(t, a, k.KEY_NEED_WRITE, k.KEY_NEED_SETATTR, (key) => {
        key.revoked = true;
        if (key.links !== null) key.links.length = 0;
      });
    case k.KEYCTL_CHOWN:
      return chown(t, a | 0, b | 0, c | 0);
    case k.KEYCTL_SETPERM:
      return setPermissions(t, a | 0, b >>> 0);
    case k.KEYCTL_DESCRIBE:
      return describe(t, a | 0, b, c);
    case k.KEYCTL_CLEAR: {
      const ring = keyringOf(t, a | 0, k.KEY_NEED_WRITE, true);
      if (typeof ring === "number") return ring;
      ring.key.links!.length = 0;
      return 0;
    }
    case k.KEYCTL_LINK:
      return link(t, a | 0, b | 0);
    case k.KEYCTL_UNLINK:
      return unlink(t, a | 0, b | 0);
    case k.KEYCTL_SEARCH:
      return search(t, a | 0, b, c, d | 0);
    case k.KEYCTL_READ:
      return read(t, a | 0, b, c);
    case k.KEYCTL_INSTANTIATE:
    case k.KEYCTL_NEGATE:
    case k.KEYCTL_REJECT:
    case k.KEYCTL_INSTANTIATE_IOV:
      // Only whoever was asked to make a key has the authority, and nobody is.
      return -EPERM;
    case k.KEYCTL_SET_REQKEY_KEYRING:
      // Where keys that are made on demand go; the default is 0.
      return (a | 0) < -1 || (a | 0) > 6 ? -EINVAL : 0;
    case k.KEYCTL_SET_TIMEOUT: {
      const found = lookupKey(t, a | 0, k.KEY_NEED_SETATTR, true, true);
      if (typeof found === "number") return found;
      const seconds = b >>> 0;
      found.key.expires = seconds === 0 ? Infinity : t.kernel.clock.realtime() + seconds * 1e9;
      return 0;
    }
    case k.KEYCTL_ASSUME_AUTHORITY:
      return (a | 0) < 0 ? -EINVAL : (a | 0) === 0 ? 0 : -ENOKEY;
    case k.KEYCTL_GET_SECURITY: {
      const found = lookupKey(t, a | 0, k.KEY_NEED_VIEW, false, true);
      if (typeof found === "number") return found;
      if (b !== 0 && c > 0 && t.mm.writeU8(b, 0) !== 0) return -EFAULT;
      return 1;
    }
    case k.KEYCTL_SESSION_TO_PARENT:
      return sessionToParent(t);
    case k.KEYCTL_INVALIDATE: {
      const found = lookupKey(t, a | 0, k.KEY_NEED_SEARCH);
      if (typeof found === "number") return found;
      keyStore(t.kernel).invalidate(found.key);
      return 0;
    }
    case k.KEYCTL_MOVE:
      return move(t, a | 0, b | 0, c | 0, d >>> 0);
    case k.KEYCTL_CAPABILITIES:
      return capabilities(t, a, b);
    default:
      return -EOPNOTSUPP;
  }
}

function join(t: Task, nameAddress: number): number {
  if (nameAddress === 0) return joinSession(t, null);
  const name = textArg(t, nameAddress);
  if (typeof name === "number") return name;
  return name.startsWith(".") ? -EPERM : joinSession(t, name);
}

function onKey(
  t: Task,
  id: number,
  need: number,
  otherwise: number,
  act: (key: Key) => void,
): number {
  let found = lookupKey(t, id | 0, need);
  if (found === -EACCES) found = lookupKey(t, id | 0, otherwise);
  if (typeof found === "number") return found;
  act(found.key);
  return 0;
}

function update(t: Task, id: number, address: number, length: number): number {
  if (length < 0 || length > PAGE) return -EINVAL;
  const payload = new Uint8Array(length);
  if (length > 0 && t.mm.copyIn(address, payload, 0, length) !== 0) return -EFAULT;
  const found = lookupKey(t, id, k.KEY_NEED_WRITE);
  if (typeof found === "number") return found;
  if (found.key.links !== null) return -EOPNOTSUPP;
  const invalid = checkPayload(found.key.type, found.key.description, payload);
  return invalid !== 0 ? invalid : keyStore(t.kernel).update(found.key, payload);
}

function chown(t: Task, id: number, uid: number, gid: number): number {
  const ns = t.creds.userNs;
  const kuid = uid === -1 ? -1 : ns.toKuid(uid >>> 0);
  const kgid = gid === -1 ? -1 : ns.toKgid(gid >>> 0);
  if ((uid !== -1 && kuid < 0) || (gid !== -1 && kgid < 0)) return -EINVAL;
  if (uid === -1 && gid === -1) return 0;
  const found = lookupKey(t, id, k.KEY_NEED_SETATTR, true, true);
  if (typeof found === "number") return found;
  const { key } = found;
  if (!t.creds.capable(CAP_SYS_ADMIN)) {
    if (uid !== -1 && key.uid !== kuid) return -EACCES;
    if (gid !== -1 && kgid !== key.gid && !t.creds.inGroup(kgid)) return -EACCES;
  }
  if (uid !== -1 && kuid !== key.uid) {
    const r = keyStore(t.kernel).chown(key, kuid);
    if (r < 0) return r;
  }
  if (gid !== -1) key.gid = kgid;
  return 0;
}

function setPermissions(t: Task, id: number, permissions: number): number {
  if ((permissions & ~0x3f3f3f3f) !== 0) return -EINVAL;
  const found = lookupKey(t, id, k.KEY_NEED_SETATTR, true, true);
  if (typeof found === "number") return found;
  if (found.key.uid !== t.creds.fsuid && !t.creds.capable(CAP_SYS_ADMIN)) return -EACCES;
  found.key.permissions = permissions;
  return 0;
}

function describe(t: Task, id: number, address: number, room: number): number {
  const found = lookupKey(t, id, k.KEY_NEED_VIEW, false, true);
  if (typeof found === "number") return found;
  const { key } = found;
  const ns = t.creds.userNs;
  const permissions = (key.permissions >>> 0).toString(16).padStart(8, "0");
  const text = `${key.type};${ns.fromKuid(key.uid)};${ns.fromKgid(key.gid)};${permissions};` +
    `${key.description}\0`;
  if (address !== 0 && room >= text.length) {
    const bytes = new Uint8Array(text.length);
    putString(bytes, 0, text);
    if (t.mm.copyOut(address, bytes, 0, bytes.length) !== 0) return -EFAULT;
  }
  return text.length;
}

function mayLink(ring: Key, key: Key): number {
  // A keyring in itself would be searched without end.
  return key.links !== null && key.holds(ring, MAX_DEPTH) ? -EDEADLK : 0;
}

function link(t: Task, id: number, ringId: number): number {
  const ring = keyringOf(t, ringId, k.KEY_NEED_WRITE, true);
  if (typeof ring === "number") return ring;
  const found = lookupKey(t, id, k.KEY_NEED_LINK, true);
  if (typeof found === "number") return found;
  const r = mayLink(ring.key, found.key);
  if (r === 0) ring.key.link(found.key);
  return r;
}

function unlink(t: Task, id: number, ringId: number): number {
  const ring = keyringOf(t, ringId, k.KEY_NEED_WRITE);
  if (typeof ring === "number") return ring;
  const found = lookupKey(t, id, 0, false, true);
  if (typeof found === "number") return found;
  const links = ring.key.links!;
  const i = links.indexOf(found.key);
  if (i < 0) return -ENOENT;
  links.splice(i, 1);
  return 0;
}

function search(
  t: Task,
  ringId: number,
  typeAddress: number,
  textAddress: number,
  destinationId: number,
): number {
  const type = typeArg(t, typeAddress);
  if (typeof type === "number") return type;
  const description = textArg(t, textAddress);
  if (typeof description === "number") return description;
  const ring = keyringOf(t, ringId, k.KEY_NEED_SEARCH);
  if (typeof ring === "number") return ring;
  const destination = destinationId === 0
    ? null
    : keyringOf(t, destinationId, k.KEY_NEED_WRITE, true);
  if (typeof destination === "number") return destination;
  if (!TYPES.has(type)) return -ENOKEY;
  const found = searchRing(t, ring.key, ring.possessed, type, description);
  if (typeof found === "number") return found;
  if (destination !== null) {
    if (!found.allows(t, ring.possessed, k.KEY_NEED_LINK)) return -EACCES;
    const r = mayLink(destination.key, found);
    if (r !== 0) return r;
    destination.key.link(found);
  }
  return found.serial;
}

function read(t: Task, id: number, address: number, room: number): number {
  const found = lookupKey(t, id, 0);
  if (typeof found === "number") return found;
  const { key } = found;
  if (!key.allows(t, found.possessed, k.KEY_NEED_READ)) {
    // What a search leads to can be read without the right to read.
    if (!possesses(t, key) || !key.allows(t, true, k.KEY_NEED_SEARCH)) return -EACCES;
  }
  if (key.type === "logon") return -EOPNOTSUPP;
  let bytes = key.payload;
  if (key.links !== null) {
    bytes = new Uint8Array(Int32Array.from(key.links, (other) => other.serial).buffer);
  }
  const n = Math.min(bytes.length, room < 0 ? 0 : room);
  if (address !== 0 && n > 0) {
    // A keyring is told in whole numbers.
    const whole = key.links === null ? n : n - n % 4;
    if (t.mm.copyOut(address, bytes, 0, whole) !== 0) return -EFAULT;
  }
  return bytes.length;
}

function sessionToParent(t: Task): number {
  const parent = t.group.parent;
  const session = t.sessionKeyring as Key | null;
  if (session === null) return -ENOKEY;
  if (parent === null || parent.tasks.length !== 1) return -EPERM;
  const other = parent.leader;
  const { creds } = t;
  const same = other.creds.ruid === creds.euid && other.creds.euid === creds.euid &&
    other.creds.suid === creds.euid && other.creds.rgid === creds.egid;
  if (!same) return -EPERM;
  if (session.revoked) return -EKEYREVOKED;
  other.sessionKeyring = session;
  return 0;
}

function move(t: Task, id: number, fromId: number, toId: number, flags: number): number {
  if ((flags & ~k.KEYCTL_MOVE_EXCL) !== 0) return -EINVAL;
  const found = lookupKey(t, id, k.KEY_NEED_LINK, true);
  if (typeof found === "number") return found;
  const from = keyringOf(t, fromId, k.KEY_NEED_WRITE);
  if (typeof from === "number") return from;
  const to = keyringOf(t, toId, k.KEY_NEED_WRITE, true);
  if (typeof to === "number") return to;
  const { key } = found;
  const i = from.key.links!.indexOf(key);
  if (i < 0) return -ENOENT;
  if (from.key === to.key) return 0;
  const exclusive = (flags & k.KEYCTL_MOVE_EXCL) !== 0;
  if (exclusive && to.key.find(key.type, key.description) !== null) return -EEXIST;
  const r = mayLink(to.key, key);
  if (r !== 0) return r;
  from.key.links!.splice(i, 1);
  to.key.link(key);
  return 0;
}

/** KEYCTL_CAPABILITIES: invalidation and moving beside the calls themselves. */
function capabilities(t: Task, address: number, room: number): number {
  const bytes = Uint8Array.of(0x01 | 0x20 | 0x80, 0);
  const n = Math.min(Math.max(room, 0), bytes.length);
  if (n > 0 && t.mm.copyOut(address, bytes, 0, n) !== 0) return -EFAULT;
  if (room > n && t.mm.zeroOut(address + n, room - n) !== 0) return -EFAULT;
  return bytes.length;
}
