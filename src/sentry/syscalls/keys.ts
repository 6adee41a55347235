/** Keys, which are loaded when a program first uses them. */

import type { SyscallHandler } from "./handler.ts";
import { LazyFamily } from "./lazy.ts";

const keys = new LazyFamily(() => import("./keyrings.ts"));

export const sys_add_key: SyscallHandler = keys.handler("add_key");
export const sys_request_key: SyscallHandler = keys.handler("request_key");
export const sys_keyctl: SyscallHandler = keys.handler("keyctl");
