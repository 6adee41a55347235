/** What the filter made of a seccomp profile says. */
import assert from "node:assert/strict";
import { seccompOf } from "../../../src/boot/seccomp_profile.ts";
import { SeccompWords } from "../../../src/sentry/kernel/bpf.ts";
import { ARCH } from "../../../src/sentry/kernel/seccomp.ts";

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;

type Profile = Parameters<typeof seccompOf>[0];

function verdict(profile: Profile, nr: number): number {
  const data = new SeccompWords();
  data.words[0] = nr;
  data.words[1] = ARCH;
  return seccompOf(profile).filters[0].program.run(data) >>> 0;
}

Deno.test("a system call newer than a profile that forbids does not exist", () => {
  const profile: Profile = {
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names: ["read", "statx", "unknown"], action: "SCMP_ACT_ALLOW" }],
  };
  assert.equal(verdict(profile, 0), ALLOW);
  assert.equal(verdict(profile, 1), ERRNO | EPERM);
  assert.equal(verdict(profile, 332), ALLOW);
  assert.equal(verdict(profile, 435), ERRNO | ENOSYS);
});

Deno.test("without names, or where all else is allowed, no system call counts as newer", () => {
  assert.equal(verdict({ defaultAction: "SCMP_ACT_ERRNO" }, 435), ERRNO | EPERM);
  const profile: Profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["statx"], action: "SCMP_ACT_ERRNO" }],
  };
  assert.equal(verdict(profile, 332), ERRNO | EPERM);
  assert.equal(verdict(profile, 435), ALLOW);
});
