/** Limits of an IPC namespace (proc_sys_kernel(5), mq_overview(7)). */

/** More than any program asks for: what Linux starts with, ULONG_MAX minus 16 MiB. */
export const UNLIMITED: number = 2 ** 64 - 2 ** 24;

/** What /proc/sys/kernel and /proc/sys/fs/mqueue tell and set. */
export class IpcLimits {
  /** Bytes of a segment, pages of all segments, segments. */
  shmmax: number = UNLIMITED;
  shmall: number = UNLIMITED;
  shmmni = 4096;
  /** Semaphores of a set, of all sets, operations of a call, sets. */
  semmsl = 32000;
  semmns = 1024000000;
  semopm = 500;
  semmni = 32000;
  /** Bytes of a message, of a queue, and queues. */
  msgmax = 8192;
  msgmnb = 16384;
  msgmni = 32000;
  /** POSIX message queues: how many, and messages and bytes by default and at most. */
  queuesMax = 256;
  msgMax = 10;
  msgsizeMax = 8192;
  msgDefault = 10;
  msgsizeDefault = 8192;
}
