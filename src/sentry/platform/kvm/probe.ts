import { closeKvm, openKvm } from "../../../../ffi/kvm/ioctl.ts";
import { sys } from "../../../../ffi/syscall.ts";
import { type Context, Reg, Stop } from "../platform.ts";
import { Kvm, type KvmOptions } from "./kvm.ts";
import { KvmError } from "./machine.ts";

const SYS_SCHED_YIELD = 24;
const PAGE = 4096;
const PROT_READ_EXEC = 5;
/** Where the self-test's program lies, and an address that it reads in vain. */
const CODE = 0x10000;
const HOLE = 0x7654000;
const NUMBER = 0x1fe;
const PAGE_FAULT = 14;
/** How long each step of the self-test may take, milliseconds. */
const LIMIT = 300;

/** mov $NUMBER, %eax; syscall; mov HOLE, %al; loop for ever. */
const PROGRAM = [
  ...[0xb8, NUMBER & 0xff, NUMBER >> 8, 0, 0, 0x0f, 0x05],
  ...[0x8a, 0x04, 0x25, 0x00, 0x40, 0x65, 0x07],
  ...[0xeb, 0xfe],
];
const AFTER_CALL = CODE + 7;

/** Makes the platform and tries it; a string says why it can not be used. */
export function probeKvm(options: Omit<KvmOptions, "kvm">): Kvm | string {
  const fd = openKvm("/dev/kvm");
  if (fd < 0) return `/dev/kvm can not be used: errno ${-fd}`;
  let kvm: Kvm | null = null;
  try {
    kvm = new Kvm({ ...options, kvm: fd });
    const why = selfTest(kvm);
    if (why === null) return kvm;
    kvm.close();
    return `/dev/kvm fails the self-test: ${why}`;
  } catch (error) {
    if (kvm === null) closeKvm(fd);
    else kvm.close();
    if (!(error instanceof KvmError || error instanceof RangeError)) throw error;
    return error.message;
  }
}

/** Runs a system call, a page fault and an interruption in ring 3; null if all came as they should. */
function selfTest(kvm: Kvm): string | null {
  const space = kvm.createAddressSpace();
  const frame = kvm.pool.alloc(1);
  if (frame < 0) return "no memory";
  kvm.pool.memory.set(PROGRAM, frame * PAGE);
  space.map(CODE, PAGE, PROT_READ_EXEC, frame * PAGE);
  const c = space.newContext();
  c.regs().set(Reg.RIP, CODE);
  c.putRegs();
  const why = steps(kvm, c);
  // A machine that does not work may still have it.
  if (why !== null) return why;
  space.retire(frame, 1);
  c.release();
  space.release();
  return null;
}

function steps(kvm: Kvm, c: Context): string | null {
  kvm.resume(c);
  if (!stopsFor(kvm, c, Stop.Syscall)) return "a system call of ring 3 does not arrive";
  if (c.sysno !== NUMBER || c.regs().get(Reg.RIP) !== AFTER_CALL) {
    return "a system call of ring 3 arrives with wrong registers";
  }
  c.setReturn(0);
  kvm.resume(c);
  if (!stopsFor(kvm, c, Stop.Fault)) return "a page fault of ring 3 does not arrive";
  if (c.trapNumber !== PAGE_FAULT || c.faultAddress !== HOLE) return "a page fault tells nonsense";
  c.regs().set(Reg.RIP, AFTER_CALL + 7);
  c.putRegs();
  kvm.resume(c);
  kvm.poll();
  kvm.interrupt(c);
  if (!stopsFor(kvm, c, Stop.Interrupted)) return "ring 3 can not be interrupted";
  return null;
}

function stopsFor(kvm: Kvm, c: Context, reason: Stop): boolean {
  const end = performance.now() + LIMIT;
  do {
    if (kvm.spin() !== null) return c.stop === reason;
    sys(SYS_SCHED_YIELD, 0, 0, 0, 0, 0, 0);
  } while (performance.now() < end);
  return false;
}
