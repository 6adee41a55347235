/** The system calls that a container's profile admits, compared with what runc admits. */
import assert from "node:assert/strict";
import type { OciLinux } from "../../src/container/oci_spec.ts";
import {
  busyboxRoot,
  hasReference,
  runBundle,
  runReference,
  withBundle,
} from "../support/bundle.ts";
import { onPlatforms } from "../support/guest.ts";
import type { Outcome } from "../support/runsc.ts";

const root = await busyboxRoot();
const compared = root !== null && await hasReference();

type Profile = NonNullable<OciLinux["seccomp"]>;

/** Registers a test that a script does the same under runc with a profile. */
function same(name: string, script: string, profile: Profile) {
  if (root === null || !compared) return Deno.test({ name, ignore: true, fn: () => {} });
  let expected: Outcome | null = null;
  onPlatforms(name, async (platform) => {
    await withBundle(root, ["sh", "-c", script], (spec) => {
      spec.linux = { ...spec.linux, seccomp: profile };
    }, async (bundle) => {
      expected ??= await runReference(bundle);
      const actual = await runBundle(platform, bundle);
      assert.deepEqual(actual, expected);
    });
  });
}

same(
  "a profile refuses some system calls",
  "mkdir /tmp/x; echo $?; chmod 700 /tmp; echo $?; grep -E '^Seccomp:' /proc/self/status",
  {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [
      { names: ["mkdir", "mkdirat", "of_no_kernel"], action: "SCMP_ACT_ERRNO" },
      { names: ["chmod", "fchmodat"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
    ],
  },
);
same("a profile kills", "echo before; mkdir /tmp/x; echo after $?", {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_KILL_PROCESS" }],
});
same(
  "conditions of one rule hold together, rules for one call are alternatives",
  "for s in TERM HUP INT USR1 USR2 CONT; do kill -$s $$ 2>&1; echo $s $?; done",
  {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [
      {
        names: ["kill"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 95,
        args: [{ index: 1, value: 15, op: "SCMP_CMP_EQ" }],
      },
      {
        names: ["kill"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 22,
        args: [
          { index: 1, value: 12, op: "SCMP_CMP_LE" },
          { index: 0, value: 0, op: "SCMP_CMP_NE" },
        ],
      },
    ],
  },
);
same(
  "masked comparisons and a default that refuses",
  "umask 022; umask; (umask 077; umask); umask 7; umask; true",
  {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{
      names: ["umask"],
      action: "SCMP_ACT_ERRNO",
      args: [{ index: 0, value: 0o70, valueTwo: 0o70, op: "SCMP_CMP_MASKED_EQ" }],
    }],
  },
);

Deno.test({
  name: "a profile that the sandbox cannot carry out is an error",
  ignore: root === null,
  async fn() {
    await withBundle(root!, ["true"], (spec) => {
      spec.linux = { ...spec.linux, seccomp: { defaultAction: "SCMP_ACT_NOTIFY" } };
    }, async (bundle) => {
      const { code, stderr } = await runBundle("systrap", bundle);
      assert.notEqual(code, 0);
      assert.match(stderr, /^[^\n]*SCMP_ACT_NOTIFY[^\n]*\n$/);
    });
  },
});
