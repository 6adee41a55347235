/** Changing who a task is: what follows from new user ids (capabilities(7), credentials(7)). */

import { SECBIT_KEEP_CAPS, SECBIT_NO_SETUID_FIXUP } from "../../abi/capability.ts";
import { publishIds } from "./answers.ts";
import { CapabilitySet, type Credentials } from "./credentials.ts";
import type { Task } from "./task.ts";

/** CAP_CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, LINUX_IMMUTABLE, MKNOD, MAC_OVERRIDE: of file system uids. */
const FS_CAPS = new CapabilitySet(0x1f | 1 << 9 | 1 << 27, 1);

/** Gives `t` new credentials. */
export function commitCreds(t: Task, creds: Credentials): void {
  const old = t.creds;
  t.creds = creds;
  publishIds(t);
  if (old.ruid !== creds.ruid) {
    t.kernel.accounts.addTasks(old.ruid, -1);
    t.kernel.accounts.addTasks(creds.ruid, 1);
  }
  if (
    old.euid !== creds.euid || old.egid !== creds.egid || old.fsuid !== creds.fsuid ||
    old.fsgid !== creds.fsgid || !creds.permitted.isSubsetOf(old.permitted)
  ) {
    t.mm.dumpable = 0;
    t.parentDeathSignal = 0;
  }
}

/** Adjusts the capabilities of `creds`, which is `old` with other user ids. */
export function fixupAfterSetuid(creds: Credentials, old: Credentials, rootUid: number): void {
  if ((creds.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return;
  const hadRoot = old.ruid === rootUid || old.euid === rootUid || old.suid === rootUid;
  const hasRoot = creds.ruid === rootUid || creds.euid === rootUid || creds.suid === rootUid;
  if (hadRoot && !hasRoot) {
    if ((creds.securebits & SECBIT_KEEP_CAPS) === 0) {
      creds.permitted = CapabilitySet.empty();
      creds.effective = CapabilitySet.empty();
    }
    // Ambient capabilities never survive the way from root to another user.
    creds.ambient = CapabilitySet.empty();
  }
  if (old.euid === rootUid && creds.euid !== rootUid) creds.effective = CapabilitySet.empty();
  if (old.euid !== rootUid && creds.euid === rootUid) creds.effective = creds.permitted.clone();
}

/** Adjusts the effective set after setfsuid(2). */
export function fixupAfterSetfsuid(creds: Credentials, old: Credentials, rootUid: number): void {
  if ((creds.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return;
  if (old.fsuid === rootUid && creds.fsuid !== rootUid) {
    creds.effective = creds.effective.without(FS_CAPS);
  } else if (old.fsuid !== rootUid && creds.fsuid === rootUid) {
    creds.effective = creds.effective.or(creds.permitted.and(FS_CAPS));
  }
}
