import { getppid, getuid, mmap, sys } from "../../../ffi/libc.ts";
import { ALLOW, compileFilter, errno, installFilter } from "../../../ffi/seccomp.ts";

getppid();
const filter = compileFilter({
  rules: [
    { nr: 110, action: errno(77) },
    { nr: 9, args: [{ arg: 1, op: "eq", value: 0x123456789000 }], action: errno(78) },
    { nr: 102, ip: { from: 0, to: 1 }, action: errno(79) },
  ],
  otherwise: ALLOW,
});
const installed = installFilter(filter);
console.log(
  JSON.stringify([
    installed,
    getppid(),
    mmap(0, 0x123456789000, 0, 0x22, -1, 0),
    mmap(0, 0x1000, 0, 0x22, -1, 0) > 0,
    getuid() >= 0,
    sys(39, 0, 0, 0, 0, 0, 0) === Deno.pid,
  ]),
);
