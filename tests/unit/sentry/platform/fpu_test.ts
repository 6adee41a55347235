import assert from "node:assert/strict";
import { initFpu, sealFpu } from "../../../../src/sentry/platform/fpu.ts";

const SIZE = 832;

Deno.test("a new thread's FPU image is the one of a new program", () => {
  const image = new Uint8Array(SIZE + 4).fill(0xaa);
  initFpu(image, 0, SIZE);
  const view = new DataView(image.buffer);
  assert.equal(view.getUint16(0, true), 0x37f);
  assert.equal(view.getUint32(24, true), 0x1f80);
  assert.equal(view.getUint32(512, true), 0);
});

Deno.test("sealing keeps the processor from faulting on what an application wrote", () => {
  const image = new Uint8Array(SIZE + 4).fill(0xff);
  sealFpu(image, 0, SIZE, 7);
  const view = new DataView(image.buffer);
  assert.equal(view.getUint32(24, true), 0xffff); // no reserved bits of MXCSR
  assert.equal(view.getUint32(512, true), 7); // known features only
  for (let i = 516; i < 576; i++) assert.equal(image[i], 0); // no compaction, nothing reserved
  assert.equal(view.getUint32(464, true), 0x46505853);
  assert.equal(view.getUint32(480, true), SIZE);
  assert.equal(view.getUint32(SIZE, true), 0x46505845);
});
