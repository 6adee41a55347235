/** Host signals of the sentry's own process, turned into bytes on a pipe. */

import {
  type Assembler,
  dil,
  eax,
  edi,
  edx,
  imm,
  mem,
  rax,
  rdi,
  rip,
  rsi,
  rsp,
} from "./asm/mod.ts";
import { NATIVE_DATA, NativeImage } from "./native.ts";
import { sys, sys1 } from "./syscall.ts";

const SYS_WRITE = 1;
const SYS_RT_SIGACTION = 13;
const SYS_RT_SIGRETURN = 15;
const SYS_PIPE2 = 293;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;
const O_NONBLOCK_CLOEXEC = 0x80800;
const SIG_IGN = 1;

/** The handler writes its signal's number, one byte, to the descriptor that `set_fd` was given. */
function emitHandler(a: Assembler): void {
  a.label("signal_handler");
  a.mov(mem(rsp, -8), dil);
  a.mov(edi, rip(NATIVE_DATA)).lea(rsi, mem(rsp, -8)).mov(edx, imm(1));
  a.mov(eax, imm(SYS_WRITE)).syscall().ret();
  a.label("signal_restorer");
  a.mov(eax, imm(SYS_RT_SIGRETURN)).syscall().ud2();
}

const image = new NativeImage("runsc-signals")
  .add("handler_address", (a) => a.lea(rax, rip("signal_handler")).ret(), {
    parameters: [],
    result: "u64",
    cold: true,
  })
  .add("restorer_address", (a) => a.lea(rax, rip("signal_restorer")).ret(), {
    parameters: [],
    result: "u64",
    cold: true,
  })
  .add("set_fd", (a) => a.mov(rip(NATIVE_DATA), rdi).ret(), {
    parameters: ["u64"],
    result: "void",
    cold: true,
  })
  .code(emitHandler);
image.data(8);

/** Catches host signals. One instance a process. */
export class HostSignals {
  /** Readable when a signal has come: one byte each, its number. */
  readonly fd: number;
  readonly #action = new Uint8Array(32);

  constructor() {
    const native = image.load();
    const pair = new Int32Array(2);
    const r = sys1(SYS_PIPE2, 0, O_NONBLOCK_CLOEXEC, 0, 0, 0, 0, 0, pair);
    if (r < 0) throw new Error(`pipe2 failed: errno ${-r}`);
    this.fd = pair[0];
    native.set_fd(BigInt(pair[1]));
    const view = new DataView(this.#action.buffer);
    view.setBigUint64(0, BigInt(native.handler_address()), true);
    view.setBigUint64(8, BigInt(SA_RESTORER | SA_RESTART), true);
    view.setBigUint64(16, BigInt(native.restorer_address()), true);
  }

  /** Catches a signal from now on. */
  catch(signo: number): number {
    return sys1(SYS_RT_SIGACTION, signo, 0, 0, 8, 0, 0, 1, this.#action);
  }
}

/** Sets a signal to be ignored, or to its default action. */
export function setSignalIgnored(signo: number, ignored: boolean): number {
  const action = new Uint8Array(32);
  if (ignored) action[0] = SIG_IGN;
  return sys1(SYS_RT_SIGACTION, signo, 0, 0, 8, 0, 0, 1, action);
}

/** Sends a signal to a process of the host. */
export function hostKill(pid: number, signo: number): number {
  return sys(62, pid, signo, 0, 0, 0, 0);
}
