/** One system call as a seccomp filter sees it. */
export interface SeccompData {
  nr: number;
  arch: number;
  ip: bigint;
  args: readonly bigint[];
}

/** Runs a classic BPF program as the kernel does, with the checks its verifier makes, and returns the action. */
export function runFilter(program: Uint8Array, data: SeccompData): number {
  const input = new DataView(new ArrayBuffer(64));
  input.setUint32(0, data.nr, true);
  input.setUint32(4, data.arch, true);
  input.setBigUint64(8, data.ip, true);
  for (let i = 0; i < 6; i++) input.setBigUint64(16 + 8 * i, data.args[i] ?? 0n, true);
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const count = program.length / 8;
  let a = 0;
  let x = 0;
  let pc = 0;
  while (true) {
    if (pc >= count) throw new Error(`runs past its end at ${pc}`);
    const code = view.getUint16(pc * 8, true);
    const jt = view.getUint8(pc * 8 + 2);
    const jf = view.getUint8(pc * 8 + 3);
    const k = view.getUint32(pc * 8 + 4, true);
    pc++;
    switch (code) {
      case 0x20:
        if (k > 60 || k % 4 !== 0) throw new Error(`loads offset ${k}`);
        a = input.getUint32(k, true);
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x04:
        a = (a + k) >>> 0;
        break;
      case 0x0c:
        a = (a + x) >>> 0;
        break;
      case 0x07:
        x = a;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x15:
        pc += a === k ? jt : jf;
        break;
      case 0x25:
        pc += a > k ? jt : jf;
        break;
      case 0x35:
        pc += a >= k ? jt : jf;
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`unknown instruction 0x${code.toString(16)}`);
    }
  }
}
