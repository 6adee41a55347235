/** The namespaces that a task lives in (namespaces(7)), but for users and pids, which have files of their own. */

import type { MountNamespace } from "../vfs/mount_namespace.ts";
import type { FileSystem } from "../vfs/file_system.ts";
import { IpcLimits } from "./ipc/limits.ts";
import type { PidNamespace } from "./pid.ts";
import type { UserNamespace } from "./user_namespace.ts";

/** Host and domain name. */
export class UtsNamespace {
  /** Byte strings of at most 64 bytes. */
  hostname: string;
  domainname: string;

  constructor(readonly userNs: UserNamespace, hostname: string, domainname: string) {
    this.hostname = hostname;
    this.domainname = domainname;
  }

  /** A copy for a new namespace. */
  clone(userNs: UserNamespace): UtsNamespace {
    return new UtsNamespace(userNs, this.hostname, this.domainname);
  }
}

/** The objects of one kind of System V IPC. */
export interface IpcFamily {
  /** Their lines of /proc/sysvipc. */
  report(userNs: UserNamespace): string;
  /** Nobody is in the namespace any more: all objects go. */
  release(): void;
}

/** System V IPC objects and POSIX message queues. Their families hang what they need here. */
export class IpcNamespace {
  shared: IpcFamily | null = null;
  semaphores: IpcFamily | null = null;
  messages: IpcFamily | null = null;
  /** The file system of POSIX message queues. */
  queues: FileSystem | null = null;
  readonly limits: IpcLimits = new IpcLimits();
  /** Sets of namespaces with tasks, and open descriptors, that have it. */
  users = 0;

  constructor(readonly userNs: UserNamespace) {}

  /** Ends a use. System V objects go with the last one; queues with their files. */
  release(): void {
    if (--this.users > 0) return;
    this.shared?.release();
    this.semaphores?.release();
    this.messages?.release();
  }
}

/** Network devices, addresses, ports. The socket families hang their stack here. */
export class NetNamespace {
  stack: unknown = null;
  /** Abstract unix socket names, owned by the unix family. */
  abstractNames: unknown = null;

  /** `startsUp`: whether its loopback is up from the start, as it is only in a container's own (network_namespaces(7)). */
  constructor(readonly userNs: UserNamespace, readonly startsUp = false) {}
}

/** A view of the cgroup tree. */
export class CgroupNamespace {
  root = "/";

  constructor(readonly userNs: UserNamespace) {}
}

/** Offsets of the monotonic and boot clocks. */
export class TimeNamespace {
  monotonicOffset = 0;
  bootOffset = 0;

  constructor(readonly userNs: UserNamespace) {}
}

/** The namespaces of a task. Shared between tasks, so immutable: unshare makes a copy. */
export class NsProxy {
  /** Tasks that have it. */
  users = 0;

  constructor(
    readonly uts: UtsNamespace,
    readonly ipc: IpcNamespace,
    readonly mnt: MountNamespace,
    readonly net: NetNamespace,
    readonly cgroup: CgroupNamespace,
    readonly time: TimeNamespace,
    /** Where children are born. The task's own is that of its pid. */
    readonly pidForChildren: PidNamespace,
    readonly timeForChildren: TimeNamespace,
  ) {}

  /** Another task has it. */
  retain(): this {
    if (this.users++ === 0) this.ipc.users++;
    return this;
  }

  /** A task is gone, or has another one now. */
  release(): void {
    if (--this.users === 0) this.ipc.release();
  }

  /** A copy with some of them replaced. */
  with(changes: Partial<NsProxy>): NsProxy {
    return new NsProxy(
      changes.uts ?? this.uts,
      changes.ipc ?? this.ipc,
      changes.mnt ?? this.mnt,
      changes.net ?? this.net,
      changes.cgroup ?? this.cgroup,
      changes.time ?? this.time,
      changes.pidForChildren ?? this.pidForChildren,
      changes.timeForChildren ?? this.timeForChildren,
    );
  }
}
