import assert from "node:assert/strict";
import { decodeBytes, encodeBytes } from "../../../src/container/byte_string.ts";

Deno.test("UTF-8 reads as itself", () => {
  for (const text of ["", "abc", "ä€😀", "\ufeffx"]) {
    assert.equal(decodeBytes(new TextEncoder().encode(text)), text);
    assert.deepEqual(encodeBytes(text), new TextEncoder().encode(text));
  }
});

Deno.test("bytes that are no UTF-8 come back as they were", () => {
  const samples = [
    [0xff],
    [0x61, 0x80, 0x62],
    [0xc3, 0xa4, 0xc3],
    [0xe2, 0x82],
    [0xed, 0xb2, 0x80],
    [0xf0, 0x9f, 0x98, 0x80, 0xf0, 0x9f],
    [0xc0, 0x80],
    [0xf8, 0x88, 0x80, 0x80, 0x80],
    Array.from({ length: 256 }, (_, byte) => byte),
  ];
  for (const sample of samples) {
    const bytes = Uint8Array.from(sample);
    assert.deepEqual(encodeBytes(decodeBytes(bytes)), bytes);
  }
});

Deno.test("different bytes have different strings", () => {
  const strings = new Set<string>();
  for (let a = 0; a < 256; a += 5) {
    for (let b = 0; b < 256; b++) strings.add(decodeBytes(Uint8Array.of(a, b)));
  }
  assert.equal(strings.size, 52 * 256);
});
