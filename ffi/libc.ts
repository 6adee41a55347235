/**
 * Host system calls by name, with the arguments of the kernel's own interface in its order. All return the result or a
 * negative errno number and never throw. Memory arguments take a buffer, an address or null; paths are buffers that end
 * in NUL (`cstr`).
 */

export {
  addressOf,
  cstr,
  mapArrayBuffer,
  type Memory,
  preload,
  sys,
  sys1,
  sys2,
  syscall,
  viewOf,
} from "./syscall.ts";
export * from "./libc/credentials.ts";
export * from "./libc/events.ts";
export * from "./libc/files.ts";
export * from "./libc/io.ts";
export * from "./libc/memory.ts";
export * from "./libc/namespaces.ts";
export * from "./libc/processes.ts";
export * from "./libc/sockets.ts";
export * from "./libc/time.ts";
export * from "./libc/xattrs.ts";
