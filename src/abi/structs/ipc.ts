/**
 * Structures of System V and POSIX inter-process communication (svipc(7), mq_overview(7)).
 */

import { array, i16, i32, i64, octal, struct, u16, u32, u64 } from "../struct.ts";

/** Owner and permissions of an object. */
export const IpcPerm = struct("ipc64_perm", {
  key: i32,
  uid: u32,
  gid: u32,
  cuid: u32,
  cgid: u32,
  mode: octal(u32),
  seq: u16,
  _pad2: u16,
  _unused1: u64,
  _unused2: u64,
});
/** A shared memory segment. */
export const ShmidDs = struct("shmid64_ds", {
  shm_perm: IpcPerm,
  shm_segsz: u64,
  shm_atime: i64,
  shm_dtime: i64,
  shm_ctime: i64,
  shm_cpid: i32,
  shm_lpid: i32,
  shm_nattch: u64,
  _unused4: u64,
  _unused5: u64,
});
/** A semaphore set. */
export const SemidDs = struct("semid64_ds", {
  sem_perm: IpcPerm,
  sem_otime: i64,
  _unused1: u64,
  sem_ctime: i64,
  _unused2: u64,
  sem_nsems: u64,
  _unused3: u64,
  _unused4: u64,
});
/** A message queue. */
export const MsqidDs = struct("msqid64_ds", {
  msg_perm: IpcPerm,
  msg_stime: i64,
  msg_rtime: i64,
  msg_ctime: i64,
  msg_cbytes: u64,
  msg_qnum: u64,
  msg_qbytes: u64,
  msg_lspid: i32,
  msg_lrpid: i32,
  _unused4: u64,
  _unused5: u64,
});
/** One operation of semop(2). */
export const Sembuf = struct("sembuf", { sem_num: u16, sem_op: i16, sem_flg: i16 });
/** Limits that IPC_INFO of shmctl(2) tells. */
export const Shminfo = struct("shminfo64", {
  shmmax: u64,
  shmmin: u64,
  shmmni: u64,
  shmseg: u64,
  shmall: u64,
  _unused: array(u64, 4),
});
/** What SHM_INFO of shmctl(2) tells. */
export const ShmInfo = struct("shm_info", {
  used_ids: i32,
  shm_tot: u64,
  shm_rss: u64,
  shm_swp: u64,
  swap_attempts: u64,
  swap_successes: u64,
});
/** Limits that IPC_INFO of semctl(2) tells. */
export const Seminfo = struct("seminfo", {
  semmap: i32,
  semmni: i32,
  semmns: i32,
  semmnu: i32,
  semmsl: i32,
  semopm: i32,
  semume: i32,
  semusz: i32,
  semvmx: i32,
  semaem: i32,
});
/** Limits that IPC_INFO of msgctl(2) tells. */
export const Msginfo = struct("msginfo", {
  msgpool: i32,
  msgmap: i32,
  msgmax: i32,
  msgmnb: i32,
  msgmni: i32,
  msgssz: i32,
  msgtql: i32,
  msgseg: u16,
});
/** Attributes of a POSIX message queue. */
export const MqAttr = struct("mq_attr", {
  mq_flags: i64,
  mq_maxmsg: i64,
  mq_msgsize: i64,
  mq_curmsgs: i64,
  _reserved: array(i64, 4),
});
