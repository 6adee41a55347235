import assert from "node:assert/strict";
import { TextPool } from "../../../../src/sentry/kernel/text_pool.ts";

Deno.test("a pool gives the text before the NUL, whatever its length and place", () => {
  const pool = new TextPool();
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  for (let round = 0; round < 2; round++) {
    for (let length = 0; length < 300; length++) {
      const at = length % 7;
      const text = Array.from(
        { length },
        (_, i) => String.fromCharCode(1 + (i * 31 + length) % 255),
      );
      bytes.fill(0xff);
      text.forEach((c, i) => bytes[at + i] = c.charCodeAt(0));
      bytes[at + length] = 0;
      const got = pool.read(view, at, 512);
      if (length < 252) assert.equal(got, text.join(""));
      else assert.ok(got === null || got === text.join(""));
      assert.equal(pool.read(view, at, at + length), null);
    }
  }
});
