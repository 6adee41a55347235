import assert from "node:assert/strict";

import { compatibility, handledSyscalls } from "../../../../scripts/gen_compatibility.ts";
import { ENOSYS, EPERM } from "../../../../src/abi/errno.ts";
import { SYS, SYSCALL_LIMIT } from "../../../../src/abi/syscall_numbers.ts";
import { bindHandlers, refusal } from "../../../../src/sentry/syscalls/dispatch.ts";
import { REFUSALS } from "../../../../src/sentry/syscalls/refusals.ts";
import { ABSENT, PARTIAL } from "../../../../src/sentry/syscalls/support_notes.ts";
import { support, syscall, table } from "../../../../src/sentry/syscalls/table.ts";

const handled = await handledSyscalls();

Deno.test("every number of Linux 6.12 is in the table once", () => {
  const numbers = table.map((row) => row.nr);
  const expected = [];
  for (let nr = 0; nr <= 335; nr++) expected.push(nr);
  for (let nr = 424; nr <= 462; nr++) expected.push(nr);
  assert.deepEqual(numbers, expected);
  assert.equal(SYSCALL_LIMIT, 463);
  assert.equal(new Set(table.map((row) => row.name)).size, table.length);
  assert.deepEqual(table.map((row) => SYS[row.name]), numbers);
});

Deno.test("no system call has more than six arguments", () => {
  for (const row of table) assert.ok(row.args.length <= 6, row.name);
});

Deno.test("every handler is that of a system call in the table", () => {
  const names = new Set<string>(table.map((row) => row.name));
  for (const name of handled) assert.ok(names.has(name), `sys_${name}`);
});

Deno.test("no system call that is noted as missing has a handler", () => {
  for (const [nr] of REFUSALS) {
    const name = syscall(nr)?.name ?? "";
    assert.ok(!handled.has(name), `${name} is refused and handled`);
    assert.equal(ABSENT[name as keyof typeof ABSENT], undefined, name);
  }
  for (const name of Object.keys(ABSENT)) {
    assert.ok(!handled.has(name), `${name} is noted as absent and handled`);
  }
});

Deno.test("every system call that is provided in part has a handler", () => {
  for (const name of Object.keys(PARTIAL)) assert.ok(handled.has(name), name);
});

Deno.test("the level of support follows from the handler and the notes", () => {
  const [read] = table;
  assert.deepEqual(support(read, true), { level: "full" });
  assert.equal(support(read, false).level, "refused");
  const reboot = syscall(SYS.reboot);
  assert.ok(reboot !== undefined);
  const refused = support(reboot, false);
  assert.ok(refused.level === "refused" && refused.errno === EPERM);
});

Deno.test("a number without a handler is answered with its error", () => {
  assert.equal(refusal(SYS.reboot), -EPERM);
  assert.equal(refusal(SYS.create_module), -ENOSYS);
  for (const nr of [-1, SYSCALL_LIMIT, 0x4000_0000, 1e15, NaN]) assert.equal(refusal(nr), -ENOSYS);
});

Deno.test("handlers are bound by their names", () => {
  const one = () => 1;
  const two = () => 2;
  const handlers = bindHandlers({
    file: { sys_read: one, helper: two },
    process: { sys_mseal: two },
  });
  assert.equal(handlers.length, SYSCALL_LIMIT);
  assert.equal(handlers[SYS.read], one);
  assert.equal(handlers[SYS.mseal], two);
  assert.equal(handlers[SYS.write], undefined);
});

Deno.test("a handler of no system call, or a second one, is a mistake", () => {
  const f = () => 0;
  assert.throws(() => bindHandlers({ file: { sys_raed: f } }), /sys_raed is the name of no/);
  assert.throws(() => bindHandlers({ file: { sys_toString: f } }), /sys_toString/);
  assert.throws(
    () => bindHandlers({ a: { sys_read: f }, b: { sys_read: () => 1 } }),
    /handled twice/,
  );
});

Deno.test("the compatibility document lists every system call", () => {
  const text = compatibility(new Set(["read"]));
  assert.match(text, /\| 0 \| read \| yes \| \|/);
  assert.match(text, /\| 169 \| reboot \| EPERM \| .+ \|/);
  assert.equal(text.match(/^\| \d+ \|/gm)?.length, table.length);
});
