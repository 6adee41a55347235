/** Asynchronous input and output, which is loaded when a program first uses it. */

import type { SyscallHandler } from "./handler.ts";
import { LazyFamily } from "./lazy.ts";

const aio = new LazyFamily(() => import("./io/aio.ts"));
const ring = new LazyFamily(() => import("./io/io_uring.ts"));

export const sys_io_setup: SyscallHandler = aio.handler("io_setup");
export const sys_io_destroy: SyscallHandler = aio.handler("io_destroy");
export const sys_io_submit: SyscallHandler = aio.handler("io_submit");
export const sys_io_cancel: SyscallHandler = aio.handler("io_cancel");
export const sys_io_getevents: SyscallHandler = aio.handler("io_getevents");
export const sys_io_pgetevents: SyscallHandler = aio.handler("io_pgetevents");
export const sys_io_uring_setup: SyscallHandler = ring.handler("io_uring_setup");
export const sys_io_uring_enter: SyscallHandler = ring.handler("io_uring_enter");
export const sys_io_uring_register: SyscallHandler = ring.handler("io_uring_register");
