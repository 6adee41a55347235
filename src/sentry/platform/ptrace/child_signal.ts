import { type Assembler, eax, edx, imm, rax, rdi, rip, rsi } from "../../../../ffi/asm/mod.ts";
import { NATIVE_DATA, NativeImage } from "../../../../ffi/native.ts";
import { sys1 } from "../../../../ffi/syscall.ts";

const SYS_WRITE = 1;
const SYS_RT_SIGACTION = 13;
const SYS_RT_SIGRETURN = 15;
const SIGCHLD = 17;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;

/** The handler writes eight bytes, the number one, to the descriptor that `set_fd` was given. */
function emitHandler(a: Assembler): void {
  a.label("child_handler");
  a.mov(rdi, rip(NATIVE_DATA)).lea(rsi, rip("child_one")).mov(edx, imm(8));
  a.mov(eax, imm(SYS_WRITE)).syscall().ret();
  a.label("child_restorer");
  a.mov(eax, imm(SYS_RT_SIGRETURN)).syscall().ud2();
  a.align(8).label("child_one").dq(1);
}

const image = new NativeImage("runsc-child-signal")
  .add("handler_address", (a) => a.lea(rax, rip("child_handler")).ret(), {
    parameters: [],
    result: "u64",
    cold: true,
  })
  .add("restorer_address", (a) => a.lea(rax, rip("child_restorer")).ret(), {
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

/** Has SIGCHLD, which a stop of a traced thread raises, write an eventfd while the sentry sleeps. */
export class ChildSignal {
  readonly #on = new Uint8Array(32);
  readonly #off = new Uint8Array(32);

  constructor(wakeFd: number) {
    const native = image.load();
    native.set_fd(BigInt(wakeFd));
    const view = new DataView(this.#on.buffer);
    view.setBigUint64(0, BigInt(native.handler_address()), true);
    view.setBigUint64(8, BigInt(SA_RESTORER | SA_RESTART), true);
    view.setBigUint64(16, BigInt(native.restorer_address()), true);
  }

  #set(action: Uint8Array<ArrayBuffer>): void {
    sys1(SYS_RT_SIGACTION, SIGCHLD, 0, 0, 8, 0, 0, 1, action);
  }

  /** From now on a stop writes the eventfd. */
  enable(): void {
    this.#set(this.#on);
  }

  /** Back to the default, which does nothing. */
  disable(): void {
    this.#set(this.#off);
  }
}
