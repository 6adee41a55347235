import type { ContainerSpec } from "../container/oci_spec.ts";
import { type GroupLimits, NO_LIMITS } from "../sentry/fs/sys/cgroup_file_system.ts";

/** Pages without which no program starts: a lower limit of memory is taken as this. */
const LEAST_PAGES = 4096;

/** The limits of a specification (`linux.resources`). */
export function limitsOf(spec: ContainerSpec): GroupLimits {
  const { memory, pids, cpu } = spec.linux?.resources ?? {};
  const positive = (n: number | undefined, otherwise: number) =>
    n === undefined || n <= 0 ? otherwise : n;
  const shares = cpu?.shares;
  return {
    memory: positive(memory?.limit, Infinity),
    pids: positive(pids?.limit, Infinity),
    cpuQuota: positive(cpu?.quota, Infinity),
    cpuPeriod: positive(cpu?.period, NO_LIMITS.cpuPeriod),
    // As run-times turn the shares of version 1 into weights.
    cpuWeight: shares === undefined || shares === 0
      ? NO_LIMITS.cpuWeight
      : 1 + Math.floor((Math.max(2, Math.min(shares, 262144)) - 2) * 9999 / 262142),
  };
}

/** The pages that a limit of memory leaves. */
export function pagesOf(limits: GroupLimits): number {
  return Math.max(LEAST_PAGES, Math.floor(limits.memory / 4096));
}
