/** Who the first process is and what it may do, from the specification. */

import * as CAP from "../abi/capability.ts";
import * as RES from "../abi/resource.ts";
import { encodeBytes } from "../container/byte_string.ts";
import type { OciProcess } from "../container/oci_spec.ts";
import { bytesToString } from "../sentry/kernel/bytes.ts";
import { CapabilitySet, Credentials } from "../sentry/kernel/credentials.ts";
import { Rlimits } from "../sentry/kernel/rlimits.ts";
import type { UserNamespace } from "../sentry/kernel/user_namespace.ts";

const NUMBERS = CAP as unknown as Readonly<Record<string, unknown>>;
const RESOURCES = RES as unknown as Readonly<Record<string, unknown>>;

function capabilitySet(names: readonly string[] | undefined): CapabilitySet {
  const set = CapabilitySet.empty();
  for (const name of names ?? []) {
    const number = NUMBERS[name];
    if (typeof number === "number") set.add(number);
  }
  return set;
}

/** Credentials of `process`: ids, additional groups and the five capability sets. */
export function credentialsOf(process: OciProcess, userNs: UserNamespace): Credentials {
  const { uid, gid, additionalGids } = process.user;
  const creds = Credentials.user(userNs, uid, gid, [...(additionalGids ?? [])]);
  const caps = process.capabilities;
  creds.bounding = capabilitySet(caps?.bounding);
  creds.permitted = capabilitySet(caps?.permitted);
  creds.effective = capabilitySet(caps?.effective);
  creds.inheritable = capabilitySet(caps?.inheritable);
  // capabilities(7): none is ambient that is not both permitted and inheritable.
  const mayBeAmbient = (name: string) =>
    caps?.permitted?.includes(name) === true && caps.inheritable?.includes(name) === true;
  creds.ambient = capabilitySet(caps?.ambient?.filter(mayBeAmbient));
  creds.noNewPrivs = process.noNewPrivileges === true;
  return creds;
}

/** Resource limits: the kernel's own, changed by what the specification says. */
export function rlimitsOf(process: OciProcess): Rlimits {
  const limits = new Rlimits();
  const value = (v: number) => v >= 2 ** 63 ? Infinity : v;
  for (const { type, soft, hard } of process.rlimits ?? []) {
    const resource = RESOURCES[type];
    if (typeof resource === "number") limits.set(resource, value(soft), value(hard));
  }
  return limits;
}

/** A text of the specification as the byte string that the kernel works with. */
export function byteText(s: string): string {
  const bytes = encodeBytes(s);
  return bytesToString(bytes, 0, bytes.length);
}

/** Takes a capability from a process, whatever its specification says. */
export function dropCapability(process: OciProcess, name: string): void {
  for (const names of Object.values(process.capabilities ?? {})) {
    const i = names.indexOf(name);
    if (i >= 0) names.splice(i, 1);
  }
}
