import assert from "node:assert/strict";
import { ALLOW, compileFilter } from "../../../ffi/seccomp.ts";
import { SYS } from "../../../src/abi/syscall_numbers.ts";
import { ADMITTED, filterOf } from "../../../src/boot/sentry_filter.ts";
import { runFilter } from "../ffi/bpf_interpreter.ts";

Deno.test("the sandbox process's filter admits at most 96 system calls", () => {
  assert.ok(ADMITTED.length <= 96, String(ADMITTED.length));
});

Deno.test("threads of a sandbox that was stopped or frozen may go on with a timed wait", () => {
  // The kernel, not the program, asks for restart_syscall; a thread of V8 that is refused it aborts the process.
  assert.ok(ADMITTED.includes(SYS.restart_syscall));
});

Deno.test("of KVM's requests the filter admits those that run processors", () => {
  const TCGETS = 0x5401;
  const requests = { run: 0xae80, interrupt: 0x4004ae86, createVm: 0xae01, setMemory: 0x4020ae46 };
  const admits = (platform: string, request: number) =>
    runFilter(compileFilter(filterOf(platform, false)), {
      nr: SYS.ioctl,
      arch: 0xc000003e,
      ip: 0n,
      args: [5n, BigInt(request)],
    }) === ALLOW;
  assert.ok(admits("kvm", requests.run) && admits("kvm", requests.interrupt));
  assert.ok(admits("kvm", TCGETS) && admits("systrap", TCGETS));
  assert.ok(!admits("kvm", requests.createVm) && !admits("kvm", requests.setMemory));
});
