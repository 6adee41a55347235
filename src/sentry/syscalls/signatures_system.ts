/** Signatures of system calls on the machine and the kernel itself, and of those that Linux dropped or never had. */

import { fd, hexInt, hexLong, int, pid, pointer, size, text, uint } from "./arg_types.ts";
import type { Signatures } from "./table.ts";

export const systemSignatures: Signatures = {
  syslog: [[int, pointer, int]],
  _sysctl: [[pointer]],
  reboot: [[hexInt, hexInt, hexInt, pointer]],
  iopl: [[int]],
  ioperm: [[hexLong, hexLong, int]],
  create_module: [[text, size]],
  init_module: [[pointer, size, text]],
  delete_module: [[text, hexInt]],
  get_kernel_syms: [[pointer]],
  query_module: [[text, int, pointer, size, pointer]],
  finit_module: [[fd, text, hexInt]],
  kexec_load: [[pointer, size, pointer, hexInt]],
  kexec_file_load: [[fd, fd, size, text, hexInt]],
  bpf: [[int, pointer, uint]],
  perf_event_open: [[pointer, pid, int, fd, hexInt]],
  add_key: [[text, text, pointer, size, int]],
  request_key: [[text, text, text, int]],
  keyctl: [[int, hexLong, hexLong, hexLong, hexLong]],
  getpmsg: [[]],
  putpmsg: [[]],
  afs_syscall: [[]],
  tuxcall: [[]],
  security: [[]],
  vserver: [[]],
  uretprobe: [[]],
};
