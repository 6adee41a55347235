/** The newer calls for mounts, which are loaded when a program first uses one. */

import type { SyscallHandler } from "./handler.ts";
import { LazyFamily } from "./lazy.ts";

/** What makes and changes mounts, and file systems of rare types. */
export const mountFamily: LazyFamily = new LazyFamily(() => import("./mount_api.ts"));
const info = new LazyFamily(() => import("./mount_info.ts"));

export const sys_fsopen: SyscallHandler = mountFamily.handler("fsopen");
export const sys_fsconfig: SyscallHandler = mountFamily.handler("fsconfig");
export const sys_fsmount: SyscallHandler = mountFamily.handler("fsmount");
export const sys_fspick: SyscallHandler = mountFamily.handler("fspick");
export const sys_open_tree: SyscallHandler = mountFamily.handler("open_tree");
export const sys_move_mount: SyscallHandler = mountFamily.handler("move_mount");
export const sys_mount_setattr: SyscallHandler = mountFamily.handler("mount_setattr");
export const sys_statmount: SyscallHandler = info.handler("statmount");
export const sys_listmount: SyscallHandler = info.handler("listmount");
