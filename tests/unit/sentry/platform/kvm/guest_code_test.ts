import assert from "node:assert/strict";
import { assembleGuest, VECTORS } from "../../../../../ffi/kvm/guest_code.ts";
import * as K from "../../../../../ffi/kvm/layout.ts";
import * as S from "../../../../../ffi/stub/layout.ts";

Deno.test("the stub of ring 0 fits its pages and has an entry for each vector", () => {
  const { code, labels } = assembleGuest();
  assert.ok(code.length <= K.C_CODE_SIZE);
  for (let v = 0; v < VECTORS; v++) assert.ok(labels.has(`vector_${v}`));
  assert.ok(labels.has("system_call") && labels.has("wait"));
});

Deno.test("what a slot and a processor's area hold does not overlap", () => {
  const fields = [K.S_IRET, K.S_CR3, K.S_NEXT, K.S_VECTOR, K.S_CR2, K.S_CYCLES, K.S_START];
  for (const at of fields) assert.ok(at > S.S_KIND && at < S.S_FSBASE);
  assert.ok(K.S_START + 8 <= S.S_FSBASE && S.S_ANSWERS >= S.S_REGS + 27 * 8);
  assert.ok(S.S_FPU + 4096 <= K.SLOT_SIZE);
  assert.ok(K.V_TABLE + 256 <= K.V_TSS && K.V_TSS + K.V_TSS_SIZE <= K.V_GDT);
  assert.ok(K.C_VCPUS + K.MAX_VCPUS * K.VCPU_SIZE <= K.C_SLOTS);
  assert.ok(K.C_SLOTS + K.MAX_SLOTS * K.SLOT_SIZE <= K.CONTROL_SIZE);
});
