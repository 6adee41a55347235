/** The newer calls for mounts, which are loaded when a program first uses one. */

import type { SyscallHandler } from "./handler.ts";
import { LazyFamily } from "./lazy.ts";

const api = new LazyFamily(() => import("./mount_api.ts"));
const info = new LazyFamily(() => import("./mount_info.ts"));

export const sys_fsopen: SyscallHandler = api.handler("fsopen");
export const sys_fsconfig: SyscallHandler = api.handler("fsconfig");
export const sys_fsmount: SyscallHandler = api.handler("fsmount");
export const sys_fspick: SyscallHandler = api.handler("fspick");
export const sys_open_tree: SyscallHandler = api.handler("open_tree");
export const sys_move_mount: SyscallHandler = api.handler("move_mount");
export const sys_mount_setattr: SyscallHandler = api.handler("mount_setattr");
export const sys_statmount: SyscallHandler = info.handler("statmount");
export const sys_listmount: SyscallHandler = info.handler("listmount");
