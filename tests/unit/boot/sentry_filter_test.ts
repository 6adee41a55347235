import assert from "node:assert/strict";
import { ADMITTED } from "../../../src/boot/sentry_filter.ts";

Deno.test("the sandbox process's filter admits at most 96 system calls", () => {
  assert.ok(ADMITTED <= 96, String(ADMITTED));
});
