/** System V IPC and POSIX message queues, which are loaded when a program first uses them. */

import type { SyscallHandler } from "./handler.ts";
import { LazyFamily } from "./lazy.ts";

const queues = new LazyFamily(() => import("./mqueue.ts"));
const sysv = new LazyFamily(() => import("./sysv_ipc.ts"));

export const sys_shmget: SyscallHandler = sysv.handler("shmget");
export const sys_shmat: SyscallHandler = sysv.handler("shmat");
export const sys_shmdt: SyscallHandler = sysv.handler("shmdt");
export const sys_shmctl: SyscallHandler = sysv.handler("shmctl");
export const sys_semget: SyscallHandler = sysv.handler("semget");
export const sys_semop: SyscallHandler = sysv.handler("semop");
export const sys_semtimedop: SyscallHandler = sysv.handler("semtimedop");
export const sys_semctl: SyscallHandler = sysv.handler("semctl");
export const sys_msgget: SyscallHandler = sysv.handler("msgget");
export const sys_msgsnd: SyscallHandler = sysv.handler("msgsnd");
export const sys_msgrcv: SyscallHandler = sysv.handler("msgrcv");
export const sys_msgctl: SyscallHandler = sysv.handler("msgctl");
export const sys_mq_open: SyscallHandler = queues.handler("mq_open");
export const sys_mq_unlink: SyscallHandler = queues.handler("mq_unlink");
export const sys_mq_timedsend: SyscallHandler = queues.handler("mq_timedsend");
export const sys_mq_timedreceive: SyscallHandler = queues.handler("mq_timedreceive");
export const sys_mq_notify: SyscallHandler = queues.handler("mq_notify");
export const sys_mq_getsetattr: SyscallHandler = queues.handler("mq_getsetattr");
