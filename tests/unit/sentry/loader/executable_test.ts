import assert from "node:assert/strict";
import { HEAD_SIZE, parseScript } from "../../../../src/sentry/loader/executable.ts";

function parse(text: string) {
  const head = new Uint8Array(HEAD_SIZE);
  head.set(new TextEncoder().encode(text).subarray(0, HEAD_SIZE));
  const line = parseScript(head);
  return line === null ? null : [line.interpreter, line.argument];
}

Deno.test("the first line of a script names its interpreter and at most one argument", () => {
  assert.deepEqual(parse("#!/bin/sh\necho"), ["/bin/sh", ""]);
  assert.deepEqual(parse("#! \t/bin/sh\t -x  -y \t\nz"), ["/bin/sh", "-x  -y"]);
  assert.deepEqual(parse("#!/bin/sh"), ["/bin/sh", ""]);
  assert.deepEqual(parse("#!/bin/sh -e"), ["/bin/sh", "-e"]);
  assert.equal(parse("#!\n/bin/sh"), null);
  assert.equal(parse("#!   \n"), null);
});

Deno.test("the name of an interpreter that may be cut short is refused, an argument is not", () => {
  assert.equal(parse(`#!/${"x".repeat(300)}\n`), null);
  assert.deepEqual(parse(`#!/bin/sh ${"y".repeat(300)}\n`), ["/bin/sh", "y".repeat(246)]);
});
