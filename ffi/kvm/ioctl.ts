/** The ioctl(2) requests of /dev/kvm that the platform makes: Documentation/virt/kvm/api.rst in the kernel's tree. */

import { cstr, sys, sys1 } from "../syscall.ts";

const SYS_CLOSE = 3;
const SYS_MMAP = 9;
const SYS_MUNMAP = 11;
const SYS_IOCTL = 16;
const SYS_OPENAT = 257;
const AT_FDCWD = -100;
const O_RDWR_CLOEXEC = 0o2000002;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const ENOTTY = 25;
const E2BIG = 7;

const KVM_GET_API_VERSION = 0xae00;
const KVM_CREATE_VM = 0xae01;
const KVM_CHECK_EXTENSION = 0xae03;
const KVM_GET_VCPU_MMAP_SIZE = 0xae04;
const KVM_GET_SUPPORTED_CPUID = 0xc008ae05;
const KVM_CREATE_VCPU = 0xae41;
const KVM_SET_USER_MEMORY_REGION = 0x4020ae46;
const KVM_SET_TSS_ADDR = 0xae47;
const KVM_SET_IDENTITY_MAP_ADDR = 0x4008ae48;
const KVM_SET_REGS = 0x4090ae82;
const KVM_GET_SREGS = 0x8138ae83;
const KVM_SET_SREGS = 0x4138ae84;
const KVM_SET_MSRS = 0x4008ae89;
const KVM_SET_SIGNAL_MASK = 0x4004ae8b;
const KVM_SET_CPUID2 = 0x4008ae90;
const KVM_GET_TSC_KHZ = 0xaea3;
const KVM_SET_XCRS = 0x4188aea7;
const KVM_ENABLE_CAP = 0x4068aea3;
const KVM_SET_DEVICE_ATTR = 0x4018aee1;
/** Requests that are made while applications run. */
export const KVM_RUN = 0xae80;
export const KVM_INTERRUPT = 0x4004ae86;

const KVM_CAP_NR_VCPUS = 9;
const KVM_CAP_XCRS = 56;
const KVM_CAP_X86_DISABLE_EXITS = 143;
const KVM_X86_DISABLE_EXITS_PAUSE = 4;
const MAX_CPUID_ENTRIES = 256;
const CPUID_ENTRY = 40;

function ioctl(fd: number, request: number, value: number): number {
  return sys(SYS_IOCTL, fd, request, value, 0, 0, 0) | 0;
}

function ioctlBytes(fd: number, request: number, bytes: Uint8Array): number {
  return sys1(SYS_IOCTL, fd, request, 0, 0, 0, 0, 2, bytes) | 0;
}

/** Closes a descriptor of KVM. */
export function closeKvm(fd: number): void {
  sys(SYS_CLOSE, fd, 0, 0, 0, 0, 0);
}

/** Opens the device; a descriptor or a negative errno, -ENOTTY where it is not KVM as we know it. */
export function openKvm(path: string): number {
  const fd = sys1(SYS_OPENAT, AT_FDCWD, 0, O_RDWR_CLOEXEC, 0, 0, 0, 1, cstr(path));
  if (fd < 0) return fd;
  if (
    ioctl(fd, KVM_GET_API_VERSION, 0) === 12 && ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_XCRS) > 0
  ) {
    return fd;
  }
  closeKvm(fd);
  return -ENOTTY;
}

/** Makes a virtual machine; a descriptor or a negative errno. */
export function createVm(kvm: number): number {
  return ioctl(kvm, KVM_CREATE_VM, 0);
}

/** Processors that a machine should have at most. */
export function recommendedVcpus(kvm: number): number {
  return ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
}

/** Makes a processor; a descriptor or a negative errno. */
export function createVcpu(vm: number, id: number): number {
  return ioctl(vm, KVM_CREATE_VCPU, id);
}

/** Maps a processor's struct kvm_run; its address or a negative errno. */
export function mapRun(kvm: number, vcpu: number): number {
  const size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < 0) return size;
  return sys(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_SHARED, vcpu, 0);
}

/** Takes back `mapRun`. */
export function unmapRun(kvm: number, address: number): void {
  sys(SYS_MUNMAP, address, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), 0, 0, 0, 0);
}

/** Gives KVM on Intel the pages below 4 GiB that it needs for itself; elsewhere it does nothing. */
export function setTssAddress(vm: number, address: number): void {
  const at = new BigUint64Array([BigInt(address)]);
  ioctlBytes(vm, KVM_SET_IDENTITY_MAP_ADDR, new Uint8Array(at.buffer));
  ioctl(vm, KVM_SET_TSS_ADDR, address + 4096);
}

/**
 * Lets processors spin without being stopped for it, where KVM can: it takes a loop of PAUSE for one that waits for
 * another processor of the machine, which the stub's short one does not.
 */
export function letSpin(vm: number): void {
  const view = new DataView(new ArrayBuffer(104));
  view.setUint32(0, KVM_CAP_X86_DISABLE_EXITS, true);
  view.setUint32(8, KVM_X86_DISABLE_EXITS_PAUSE, true);
  ioctlBytes(vm, KVM_ENABLE_CAP, new Uint8Array(view.buffer));
}

/** Has memory of this process appear in the machine. */
export function setMemory(
  vm: number,
  slot: number,
  guest: number,
  size: number,
  host: number,
): number {
  const region = new DataView(new ArrayBuffer(32));
  region.setUint32(0, slot, true);
  region.setBigUint64(8, BigInt(guest), true);
  region.setBigUint64(16, BigInt(size), true);
  region.setBigUint64(24, BigInt(host), true);
  return ioctlBytes(vm, KVM_SET_USER_MEMORY_REGION, new Uint8Array(region.buffer));
}

/** One leaf of CPUID: function, index, flags, EAX, EBX, ECX, EDX. */
export type CpuidEntry = Uint32Array;

/** A struct kvm_cpuid2 with its entries as views. */
export class Cpuid {
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(8 + MAX_CPUID_ENTRIES * CPUID_ENTRY);

  /** What KVM can offer; 0 or a negative errno. */
  load(kvm: number): number {
    new DataView(this.bytes.buffer).setUint32(0, MAX_CPUID_ENTRIES, true);
    const r = ioctlBytes(kvm, KVM_GET_SUPPORTED_CPUID, this.bytes);
    return r === -E2BIG ? r : Math.min(r, 0);
  }

  /** Its leaves. */
  get entries(): CpuidEntry[] {
    const count = new DataView(this.bytes.buffer).getUint32(0, true);
    return Array.from(
      { length: count },
      (_, i) => new Uint32Array(this.bytes.buffer, 8 + i * CPUID_ENTRY, 7),
    );
  }

  /** The registers EAX to EDX of a leaf, null where there is none. */
  leaf(fn: number, index = 0): Uint32Array | null {
    const e = this.entries.find((x) => x[0] === fn && (x[1] === index || (x[2] & 1) === 0));
    return e === undefined ? null : e.subarray(3, 7);
  }

  /** Shows these leaves to a processor. */
  install(vcpu: number): number {
    return ioctlBytes(vcpu, KVM_SET_CPUID2, this.bytes);
  }
}

/** Bytes of struct kvm_sregs. */
export const SREGS_SIZE = 312;

export function getSregs(vcpu: number, sregs: Uint8Array): number {
  return ioctlBytes(vcpu, KVM_GET_SREGS, sregs);
}

export function setSregs(vcpu: number, sregs: Uint8Array): number {
  return ioctlBytes(vcpu, KVM_SET_SREGS, sregs);
}

/** Sets the general registers: struct kvm_regs, RAX, RBX, RCX, RDX, RSI, RDI, RSP, RBP, R8 to R15, RIP, RFLAGS. */
export function setRegs(vcpu: number, regs: BigInt64Array): number {
  return ioctlBytes(vcpu, KVM_SET_REGS, new Uint8Array(regs.buffer));
}

/** Sets model specific registers: pairs of number and value. 0 or a negative errno. */
export function setMsrs(vcpu: number, msrs: readonly (readonly [number, bigint])[]): number {
  const view = new DataView(new ArrayBuffer(8 + 16 * msrs.length));
  view.setUint32(0, msrs.length, true);
  msrs.forEach(([index, value], i) => {
    view.setUint32(8 + 16 * i, index, true);
    view.setBigUint64(16 + 16 * i, BigInt.asUintN(64, value), true);
  });
  const r = ioctlBytes(vcpu, KVM_SET_MSRS, new Uint8Array(view.buffer));
  return r < 0 ? r : r === msrs.length ? 0 : -22;
}

/** Sets XCR0, the processor state that XSAVE handles. */
export function setXcr0(vcpu: number, low: number): number {
  const view = new DataView(new ArrayBuffer(392));
  view.setUint32(0, 1, true);
  view.setUint32(16, low, true);
  return ioctlBytes(vcpu, KVM_SET_XCRS, new Uint8Array(view.buffer));
}

/** Has KVM_RUN of a processor be ended by one signal only, which is blocked otherwise. */
export function setSignalMask(vcpu: number, signal: number): number {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint32(0, 8, true);
  view.setBigUint64(4, BigInt.asUintN(64, ~(1n << BigInt(signal - 1))), true);
  return ioctlBytes(vcpu, KVM_SET_SIGNAL_MASK, new Uint8Array(view.buffer));
}

/** Has a processor count time stamps as the host does; false where the host's KVM (before 5.16) can not. */
export function shareCounter(vcpu: number): boolean {
  const offset = new BigUint64Array(1);
  const attribute = new BigUint64Array(3);
  attribute[2] = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(offset)));
  return ioctlBytes(vcpu, KVM_SET_DEVICE_ATTR, new Uint8Array(attribute.buffer)) === 0;
}

/** Time stamp counts a millisecond, 0 where KVM does not know. */
export function counterKhz(vcpu: number): number {
  return Math.max(0, ioctl(vcpu, KVM_GET_TSC_KHZ, 0));
}
