import { mapRegion } from "../../../../ffi/arena.ts";
import { keptCode } from "../../../../ffi/kept_code.ts";
import { assembleGuest, VECTORS } from "../../../../ffi/kvm/guest_code.ts";
import * as ioctl from "../../../../ffi/kvm/ioctl.ts";
import * as K from "../../../../ffi/kvm/layout.ts";
import { ANSWER_EGID, ANSWER_EUID, ANSWER_GID, ANSWER_UID } from "../../../../ffi/stub/layout.ts";
import { ANSWER_PID, ANSWER_PPID, ANSWER_TID } from "../../../../ffi/stub/layout.ts";
import type { FramePool } from "../systrap/patch_table.ts";
import { KvmSlot } from "./slot.ts";

const PAGE = 4096;
const WORD = 4294967296;
const PRESENT = 1;
const WRITABLE = 2;
const ACCESSED_DIRTY = 0x60;
const LARGE_GLOBAL = 0x180;
const GLOBAL = 0x100;
const NO_EXECUTE = 0x80000000;
const LARGE_SIZE = 0x200000;
/** Where KVM on Intel may keep three pages and a page table: nothing of ours lies below 4 GiB. */
const INTEL_PAGES = 0xfeffc000;

const CR0 = 0x80050033; // PE MP ET NE WP AM PG
const CR4_BASE = 0x406a0; // PAE PGE OSFXSR OSXMMEXCPT, and OSXSAVE
const CR4_UMIP = 0x800;
const CR4_SMEP = 0x100000;
const CR4_SMAP = 0x200000;
const EFER = 0xd01; // SCE LME LMA NXE
/** Flags that SYSCALL clears: all that could change what the stub does. */
const SYSCALL_MASK = 0x257fd5;
const MSR_STAR = 0xc0000081;
const MSR_LSTAR = 0xc0000082;
const MSR_SFMASK = 0xc0000084;
const MSR_TSC = 0x10;
const CAP_VERSION_3 = 0x20080522;

/** System calls that the stub answers, and which of the published values each gives. */
const ANSWERS: readonly (readonly [number, number])[] = [
  [39, ANSWER_PID],
  [186, ANSWER_TID],
  [110, ANSWER_PPID],
  [102, ANSWER_UID],
  [107, ANSWER_EUID],
  [104, ANSWER_GID],
  [108, ANSWER_EGID],
];

const guestCode = keptCode("kvm stub", assembleGuest);

/** What KVM refused, for the one line that a person is told. */
export class KvmError extends Error {
  override readonly name = "KvmError";
}

function must(what: string, r: number): number {
  if (r < 0) throw new KvmError(`${what} failed: errno ${-r}`);
  return r;
}

/** A virtual machine: its memory, the stub's code and tables, and its processors. */
export class Machine {
  readonly kvm: number;
  readonly vm: number;
  readonly control: ArrayBuffer;
  /** Offset of control memory in `control`. */
  readonly offset: number;
  readonly hostAddress: number;
  readonly cpuid: ioctl.Cpuid = new ioctl.Cpuid();
  readonly #view: DataView;
  readonly #labels: ReadonlyMap<string, number>;
  /** Low half of the mask of processor state that applications have, and that XSAVE keeps for them. */
  readonly xmaskLow: number;

  constructor(kvm: number, pool: FramePool & { readonly hostAddress: number }, xmaskLow: number) {
    this.kvm = kvm;
    this.vm = must("KVM_CREATE_VM", ioctl.createVm(kvm));
    ioctl.letSpin(this.vm);
    ioctl.setTssAddress(this.vm, INTEL_PAGES);
    must("KVM_GET_SUPPORTED_CPUID", this.cpuid.load(kvm));
    const state = this.cpuid.leaf(0xd);
    if (state === null) throw new KvmError("the processor has no XSAVE");
    this.xmaskLow = (xmaskLow & state[0]) >>> 0;
    const region = mapRegion("control", K.CONTROL_SIZE, -1);
    this.control = region.buffer;
    this.offset = region.offset;
    this.hostAddress = region.address;
    this.#view = new DataView(region.buffer, region.offset, K.CONTROL_SIZE);
    const size = pool.memory.byteLength;
    const top = 2 ** this.#physicalBits();
    if (K.CONTROL_GPA + K.CONTROL_SIZE > top || K.FRAMES_GPA + size > K.CONTROL_GPA) {
      throw new KvmError("the processor's physical addresses are too short");
    }
    must(
      "KVM_SET_USER_MEMORY_REGION",
      ioctl.setMemory(this.vm, 0, K.FRAMES_GPA, size, pool.hostAddress),
    );
    must(
      "KVM_SET_USER_MEMORY_REGION",
      ioctl.setMemory(this.vm, 1, K.CONTROL_GPA, K.CONTROL_SIZE, this.hostAddress),
    );
    const { code, labels } = guestCode();
    this.#labels = labels;
    new Uint8Array(region.buffer, region.offset + K.C_CODE, code.length).set(code);
    this.#writeTables();
    this.#writeIdt();
    this.#prepareCpuid();
  }

  /** Guest-physical address of the table of the upper half. */
  get kernelTable(): number {
    return K.CONTROL_GPA + K.C_PDPT;
  }

  slot(index: number): KvmSlot {
    return new KvmSlot(this.control, this.offset, this.hostAddress, index);
  }

  #label(name: string): number {
    return K.CODE_VA + this.#labels.get(name)!;
  }

  #physicalBits(): number {
    const leaf = this.cpuid.leaf(0x80000008);
    return leaf === null ? 36 : leaf[0] & 0xff;
  }

  #entry(at: number, address: number, low: number, high: number): void {
    this.#view.setUint32(at, ((address % WORD) | low) >>> 0, true);
    this.#view.setUint32(at + 4, (Math.floor(address / WORD) | high) >>> 0, true);
  }

  /** The upper half of every address space: control memory, not executable, and the stub's code, not writable. */
  #writeTables(): void {
    const table = PRESENT | WRITABLE | ACCESSED_DIRTY;
    const gpa = K.CONTROL_GPA;
    this.#entry(K.C_PML4 + 8 * K.KERNEL_PML4_INDEX, gpa + K.C_PDPT, table, 0);
    this.#entry(K.C_PDPT, gpa + K.C_PD_DATA, table, 0);
    this.#entry(K.C_PDPT + 8, gpa + K.C_PD_CODE, table, 0);
    for (let i = 0; i < K.CONTROL_SIZE / LARGE_SIZE; i++) {
      this.#entry(K.C_PD_DATA + 8 * i, gpa + i * LARGE_SIZE, table | LARGE_GLOBAL, NO_EXECUTE);
    }
    this.#entry(K.C_PD_CODE, gpa + K.C_PT_CODE, table, 0);
    for (let i = 0; i < K.C_CODE_SIZE / PAGE; i++) {
      const page = gpa + K.C_CODE + i * PAGE;
      this.#entry(K.C_PT_CODE + 8 * i, page, PRESENT | ACCESSED_DIRTY | GLOBAL, 0);
    }
  }

  #writeIdt(): void {
    const view = this.#view;
    for (let v = 0; v < VECTORS; v++) {
      const handler = this.#label(`vector_${v}`);
      const at = K.C_IDT + 16 * v;
      // Breakpoints are the application's to raise. Debug exceptions, NMI, double faults and machine checks may come
      // when the stack is not ours yet.
      const privilege = v === 3 ? 3 : 0;
      const stack = v === 1 ? 1 : v === 2 || v === 8 || v === 18 ? 2 : 0;
      const low = handler - Math.floor(handler / WORD) * WORD;
      view.setUint16(at, low & 0xffff, true);
      view.setUint16(at + 2, K.KERNEL_CS, true);
      view.setUint8(at + 4, stack);
      view.setUint8(at + 5, 0x8e | (privilege << 5));
      view.setUint16(at + 6, low >>> 16, true);
      view.setInt32(at + 8, Math.floor(handler / WORD), true);
    }
  }

  /** What applications see of the processor: all that KVM can offer, less what the stub does not keep for them. */
  #prepareCpuid(): void {
    for (const e of this.cpuid.entries) {
      if (e[0] === 1) e[5] &= ~(1 << 21) & ~(1 << 24) & ~(1 << 3) & ~(1 << 5); // x2APIC, TSC deadline, MONITOR, VMX
      else if (e[0] === 7 && e[1] === 0) {
        // FS and GS base change by arch_prctl only, so that the sentry always knows them.
        e[4] &= ~1;
        e[5] &= ~(1 << 3) & ~(1 << 4); // protection keys
        e[6] &= ~(1 << 22) & ~(1 << 24) & ~(1 << 25); // AMX
      } else if (e[0] === 0xd && e[1] === 0) {
        e[3] &= this.xmaskLow;
        e[6] = 0;
      } else if (e[0] === 0x80000001) e[5] &= ~(1 << 2); // SVM
      // Leaves that name the hypervisor are none of the application's business.
      else if (e[0] >= 0x40000000 && e[0] < 0x50000000) e.fill(0, 3, 7);
    }
  }

  /** Makes processor `id`, which waits at slot `id`. */
  createVcpu(id: number, wakeFd: number): VcpuParts {
    const fd = must("KVM_CREATE_VCPU", ioctl.createVcpu(this.vm, id));
    const run = must("mmap of kvm_run", ioctl.mapRun(this.kvm, fd));
    must("KVM_SET_CPUID2", this.cpuid.install(fd));
    must("KVM_SET_XCRS", ioctl.setXcr0(fd, this.xmaskLow));
    must("KVM_SET_SIGNAL_MASK", ioctl.setSignalMask(fd, K.KICK_SIGNAL));
    const area = K.C_VCPUS + id * K.VCPU_SIZE;
    const view = new DataView(this.control, this.offset + area, K.VCPU_SIZE);
    this.#writeArea(view, id, fd, run, wakeFd);
    this.#writeSegments(view, K.CONTROL_VA + area);
    must("KVM_SET_SREGS", ioctl.setSregs(fd, this.#sregs(fd, K.CONTROL_VA + area)));
    must(
      "KVM_SET_MSRS",
      ioctl.setMsrs(fd, [
        [MSR_STAR, (BigInt(K.SYSRET_BASE) << 48n) | (BigInt(K.KERNEL_CS) << 32n)],
        [MSR_LSTAR, BigInt(this.#label("system_call"))],
        [MSR_SFMASK, BigInt(SYSCALL_MASK)],
      ]),
    );
    const slot = K.CONTROL_VA + K.C_SLOTS + id * K.SLOT_SIZE;
    const regs = new BigInt64Array(18);
    regs[1] = BigInt(slot); // RBX
    regs[6] = BigInt(K.CONTROL_VA + area + K.V_STACK_TOP); // RSP
    regs[16] = BigInt(this.#label("wait"));
    regs[17] = 2n;
    must("KVM_SET_REGS", ioctl.setRegs(fd, regs));
    return { fd, run, view, address: this.hostAddress + area, offset: this.offset + area };
  }

  /** Has a processor's time stamp counter agree with the host's. */
  alignCounter(fd: number, now: () => number): void {
    if (!ioctl.shareCounter(fd)) ioctl.setMsrs(fd, [[MSR_TSC, BigInt(now())]]);
  }

  #writeArea(view: DataView, id: number, fd: number, run: number, wakeFd: number): void {
    const slot = K.CONTROL_VA + K.C_SLOTS + id * K.SLOT_SIZE;
    const area = K.CONTROL_VA + K.C_VCPUS + id * K.VCPU_SIZE;
    view.setBigInt64(K.V_SLOT, BigInt(slot), true);
    view.setBigInt64(K.V_STACK, BigInt(area + K.V_STACK_TOP), true);
    view.setUint32(K.V_XMASK, this.xmaskLow, true);
    view.setUint32(K.V_FD, fd, true);
    view.setUint32(K.V_WAKE_FD, wakeFd, true);
    view.setUint32(K.V_IRQ, K.INTERRUPT_VECTOR, true);
    view.setBigInt64(K.V_RUN, BigInt(run), true);
    view.setBigInt64(K.V_DELTA, BigInt(this.hostAddress) - BigInt(K.CONTROL_VA), true);
    view.setBigUint64(K.V_SIGNALS, 1n << BigInt(K.KICK_SIGNAL - 1), true);
    view.setBigUint64(K.V_ONE, 1n, true);
    view.setUint32(K.V_CAP_HEADER, CAP_VERSION_3, true);
    for (const [nr, answer] of ANSWERS) view.setUint8(K.V_TABLE + nr, answer + 4);
  }

  #writeSegments(view: DataView, area: number): void {
    const gdt = (selector: number, value: bigint) =>
      view.setBigUint64(K.V_GDT + (selector & ~7), value, true);
    gdt(K.KERNEL_CS, 0x00af9b000000ffffn);
    gdt(K.KERNEL_SS, 0x00cf93000000ffffn);
    gdt(K.USER_SS, 0x00cff3000000ffffn);
    gdt(K.USER_CS, 0x00affb000000ffffn);
    const base = BigInt.asUintN(64, BigInt(area + K.V_TSS));
    const low = BigInt(K.V_TSS_SIZE - 1) | ((base & 0xffffffn) << 16n) | 0x8b0000000000n |
      (((base >> 24n) & 0xffn) << 56n);
    gdt(K.TSS_SELECTOR, low);
    gdt(K.TSS_SELECTOR + 8, base >> 32n);
    view.setBigInt64(K.V_TSS + 4, BigInt(area + K.V_STACK_TOP), true);
    view.setBigInt64(K.V_TSS + 36, BigInt(area + K.V_IST1_TOP), true);
    view.setBigInt64(K.V_TSS + 44, BigInt(area + K.V_IST2_TOP), true);
    // No port of the machine is the application's: the map would start past the segment's end.
    view.setUint16(K.V_TSS + 102, K.V_TSS_SIZE, true);
  }

  #sregs(fd: number, area: number): Uint8Array {
    const sregs = new Uint8Array(ioctl.SREGS_SIZE);
    must("KVM_GET_SREGS", ioctl.getSregs(fd, sregs));
    const view = new DataView(sregs.buffer);
    const segment = (i: number, selector: number, type: number, base: number, limit: number) => {
      const at = 24 * i;
      const code = type === 11 && i === 0;
      view.setBigInt64(at, BigInt(base), true);
      view.setUint32(at + 8, limit, true);
      view.setUint16(at + 12, selector, true);
      // type, present, dpl, db, s, l, g, avl, unusable, padding
      sregs.set([type, 1, selector & 3, code ? 0 : 1, 1, code ? 1 : 0, 1, 0, 0, 0], at + 14);
    };
    segment(0, K.KERNEL_CS, 11, 0, 0xffffffff);
    for (const i of [1, 2, 3]) segment(i, K.USER_SS, 3, 0, 0xffffffff);
    segment(4, K.USER_SS, 3, area, 0xffffffff);
    segment(5, K.KERNEL_SS, 3, 0, 0xffffffff);
    segment(6, K.TSS_SELECTOR, 11, area + K.V_TSS, K.V_TSS_SIZE - 1);
    sregs.set([11, 1, 0, 0, 0, 0, 0, 0, 0, 0], 24 * 6 + 14);
    sregs.fill(0, 24 * 7, 24 * 8);
    sregs[24 * 7 + 14] = 2;
    sregs[24 * 7 + 22] = 1;
    const table = (at: number, base: number, limit: number) => {
      view.setBigInt64(at, BigInt(base), true);
      view.setUint16(at + 8, limit, true);
    };
    table(192, area + K.V_GDT, K.V_GDT_SIZE - 1);
    table(208, K.CONTROL_VA + K.C_IDT, VECTORS * 16 - 1);
    view.setBigUint64(224, BigInt(CR0), true);
    view.setBigUint64(240, BigInt(K.CONTROL_GPA + K.C_PML4), true);
    view.setBigUint64(248, BigInt(CR4_BASE | this.#cr4Features()), true);
    view.setBigUint64(264, BigInt(EFER), true);
    return sregs;
  }

  #cr4Features(): number {
    const leaf = this.cpuid.leaf(7);
    if (leaf === null) return 0;
    return ((leaf[1] & (1 << 7)) !== 0 ? CR4_SMEP : 0) |
      ((leaf[1] & (1 << 20)) !== 0 ? CR4_SMAP : 0) | ((leaf[2] & 4) !== 0 ? CR4_UMIP : 0);
  }

  /** Gives the machine back to the host. No processor may run any more. */
  close(vcpus: readonly VcpuParts[]): void {
    for (const { fd, run } of vcpus) {
      ioctl.unmapRun(this.kvm, run);
      ioctl.closeKvm(fd);
    }
    ioctl.closeKvm(this.vm);
    ioctl.closeKvm(this.kvm);
  }
}

/** What a new processor is made of. */
export interface VcpuParts {
  fd: number;
  /** Where its struct kvm_run is mapped. */
  run: number;
  /** Its area. */
  view: DataView;
  /** Where the area is in the sentry. */
  address: number;
  /** And in the control memory's buffer. */
  offset: number;
}
