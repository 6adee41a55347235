/** Resource limits of a process (getrlimit(2)). */

import {
  RLIM_NLIMITS,
  RLIMIT_AS,
  RLIMIT_CORE,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_LOCKS,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RSS,
  RLIMIT_RTPRIO,
  RLIMIT_RTTIME,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from "../../abi/resource.ts";

/** Soft and hard limits by resource number; Infinity is RLIM_INFINITY. */
export class Rlimits {
  readonly soft: Float64Array = new Float64Array(RLIM_NLIMITS);
  readonly hard: Float64Array = new Float64Array(RLIM_NLIMITS);

  /** The limits that a process has when nobody says otherwise (include/asm-generic/resource.h). */
  constructor() {
    this.set(RLIMIT_CPU, Infinity, Infinity);
    this.set(RLIMIT_FSIZE, Infinity, Infinity);
    this.set(RLIMIT_DATA, Infinity, Infinity);
    this.set(RLIMIT_STACK, 8 * 1024 * 1024, Infinity);
    this.set(RLIMIT_CORE, 0, Infinity);
    this.set(RLIMIT_RSS, Infinity, Infinity);
    this.set(RLIMIT_NPROC, 16384, 16384);
    this.set(RLIMIT_NOFILE, 1024, 1048576);
    this.set(RLIMIT_MEMLOCK, 8 * 1024 * 1024, 8 * 1024 * 1024);
    this.set(RLIMIT_AS, Infinity, Infinity);
    this.set(RLIMIT_LOCKS, Infinity, Infinity);
    this.set(RLIMIT_SIGPENDING, 16384, 16384);
    this.set(RLIMIT_MSGQUEUE, 819200, 819200);
    this.set(RLIMIT_NICE, 0, 0);
    this.set(RLIMIT_RTPRIO, 0, 0);
    this.set(RLIMIT_RTTIME, Infinity, Infinity);
  }

  /** Sets both limits of a resource. */
  set(resource: number, soft: number, hard: number): void {
    this.soft[resource] = soft;
    this.hard[resource] = hard;
  }

  /** A copy. */
  clone(): Rlimits {
    const copy = new Rlimits();
    copy.soft.set(this.soft);
    copy.hard.set(this.hard);
    return copy;
  }
}
