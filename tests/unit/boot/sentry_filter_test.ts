import assert from "node:assert/strict";
import { SYS } from "../../../src/abi/syscall_numbers.ts";
import { ADMITTED } from "../../../src/boot/sentry_filter.ts";

Deno.test("the sandbox process's filter admits at most 96 system calls", () => {
  assert.ok(ADMITTED.length <= 96, String(ADMITTED.length));
});

Deno.test("threads of a sandbox that was stopped or frozen may go on with a timed wait", () => {
  // The kernel, not the program, asks for restart_syscall; a thread of V8 that is refused it aborts the process.
  assert.ok(ADMITTED.includes(SYS.restart_syscall));
});
