import * as K from "../../../../ffi/kvm/layout.ts";
import { sys, syscall } from "../../../../ffi/syscall.ts";
import type { KvmAddressSpace } from "./address_space.ts";
import type { KvmContext } from "./context.ts";
import type { VcpuParts } from "./machine.ts";
import type { KvmSlot } from "./slot.ts";

// hot

const SYS_TGKILL = 234;
const SYS_TIMER_CREATE = 222;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;

/** One processor of the machine, and the host thread that runs it. */
export class Vcpu {
  readonly index: number;
  readonly parts: VcpuParts;
  /** The slot that it waits at when it has no application. */
  readonly idleSlot: KvmSlot;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** The slot that it was told last to run. */
  slot: KvmSlot;
  /** The context of that slot, null where it was released, or there is none. */
  context: KvmContext | null = null;
  /** Whose page tables it uses, from the last change on; null: the machine's own. */
  space: KvmAddressSpace | null = null;
  /** What it used before that, and may use until it has left. */
  previousSpace: KvmAddressSpace | null = null;
  /** State of the space's tables that it has seen for sure. */
  generation = 0;
  /** Changes of slot that it was told. */
  switches = 0;
  /** It is out of order for good. */
  broken = false;
  /** It was kicked since it was last told to go on. */
  kicked = false;
  /** Host timer that ends an application's turn, or -1. */
  timer = -1;
  readonly #pid: number;
  #tid = 0;

  constructor(index: number, parts: VcpuParts, idleSlot: KvmSlot, pid: number) {
    this.index = index;
    this.parts = parts;
    this.idleSlot = idleSlot;
    this.slot = idleSlot;
    this.#pid = pid;
    this.u32 = new Uint32Array(parts.view.buffer, parts.offset, K.VCPU_SIZE / 4);
    this.i32 = new Int32Array(parts.view.buffer, parts.offset, K.VCPU_SIZE / 4);
  }

  /** Tells it its host thread. */
  started(tid: number): void {
    this.#tid = tid;
  }

  /** Makes a timer whose ticks end KVM_RUN; its id or a negative errno. */
  makeTimer(): number {
    // struct sigevent: value, signal, kind, thread.
    const event = new Int32Array(16);
    event.set([0, 0, K.KICK_SIGNAL, SIGEV_THREAD_ID, this.#tid]);
    const id = new Int32Array(1);
    const r = syscall(SYS_TIMER_CREATE, CLOCK_MONOTONIC, event, id);
    if (r < 0) return r;
    this.timer = id[0];
    return 0;
  }

  /** True if it has left the slot that it was told to leave in its change number `change`. */
  hasLeft(change: number): boolean {
    return ((Atomics.load(this.i32, K.V_SWITCHED >> 2) - change) | 0) >= 0;
  }

  /** Whether its host thread is still there. */
  get isAlive(): boolean {
    return sys(SYS_TGKILL, this.#pid, this.#tid, 0, 0, 0, 0) === 0;
  }

  /** Has it take an interrupt: it flushes its TLB if it was asked to, and posts if `stop`. */
  kick(stop: boolean): void {
    this.kicked = true;
    if (stop) Atomics.store(this.i32, K.V_STOP >> 2, 1);
    Atomics.store(this.i32, K.V_KICK >> 2, 1);
    sys(SYS_TGKILL, this.#pid, this.#tid, K.KICK_SIGNAL, 0, 0, 0);
  }

  /** Takes back a kick that came too late to matter. */
  unkick(): void {
    this.kicked = false;
    Atomics.store(this.i32, K.V_STOP >> 2, 0);
    Atomics.store(this.i32, K.V_KICK >> 2, 0);
  }

  /** A 64-bit count of its area. */
  count(field: number): number {
    return Number(this.parts.view.getBigUint64(field, true));
  }
}
