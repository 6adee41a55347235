import assert from "node:assert/strict";
import { SeededRandom } from "../../../../src/netstack/core/random.ts";
import {
  adjustChecksum16,
  adjustChecksum32,
  checksum,
  foldChecksum,
  sumBytes,
} from "../../../../src/netstack/wire/checksum.ts";
import { set16, set32 } from "../../../../src/netstack/wire/bytes.ts";

function reference(b: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += (i - from) % 2 === 0 ? b[i] << 8 : b[i];
  return foldChecksum(sum);
}

Deno.test("the example of RFC 1071", () => {
  const b = new Uint8Array([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
  assert.equal(checksum(b, 0, 8), 0xddf2 ^ 0xffff);
});

Deno.test("long and short, even and odd ranges sum alike", () => {
  const r = new SeededRandom(3);
  const b = new Uint8Array(4096);
  r.fill(b);
  for (let i = 0; i < 3000; i++) {
    const from = r.below(1000);
    const to = from + r.below(3000);
    assert.equal(foldChecksum(sumBytes(b, from, to, 0)), reference(b, from, to));
  }
  b.fill(0xff);
  assert.equal(checksum(b, 0, 2000), reference(b, 0, 2000));
});

Deno.test("a checksum can be corrected for a changed word", () => {
  const r = new SeededRandom(4);
  const b = new Uint8Array(40);
  for (let i = 0; i < 500; i++) {
    r.fill(b);
    set16(b, 10, 0);
    set16(b, 10, checksum(b, 0, 40));
    const old = (b[20] << 8) | b[21];
    const fresh = r.below(65536);
    set16(b, 20, fresh);
    adjustChecksum16(b, 10, old, fresh);
    assert.equal(checksum(b, 0, 40), 0);
    const before = ((b[24] << 24) | (b[25] << 16) | (b[26] << 8) | b[27]) >>> 0;
    const after = r.u32();
    set32(b, 24, after);
    adjustChecksum32(b, 10, before, after);
    assert.equal(checksum(b, 0, 40), 0);
  }
});
