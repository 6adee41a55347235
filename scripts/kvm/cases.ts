/** Programs that are run in the emulated machine. */

/** One program. */
export interface Case {
  name: string;
  /** What the shell runs, in an empty directory. */
  command: string;
  /** C file that is compiled to `program` in the machine's /trial. */
  source?: string;
  flags?: string[];
  program?: string;
  /** It is tried on this platform only; the others have tests enough. */
  only?: string;
  /** What each line of output goes through before it is compared. */
  normalize?: (line: string) => string;
}

/** C programs of the tests; those that are about time, which an emulated machine has little of, are left out. */
const C_PROGRAMS = [
  "crashes",
  "fs_descriptors",
  "fs_files",
  "fs_memory",
  "ipc_pipes",
  "kernel_clone",
  "kernel_fork_threads",
  "kernel_identity",
  "kernel_signals",
  "kernel_wait",
  "loader_start",
  "memory_mappings",
  "platform_interrupts",
  "platform_threads",
  "poll_events",
  "unix_sockets",
];

/** Tried on every platform: what differs most between them. The rest is tried on KVM alone, as emulation is slow. */
const EVERYWHERE: ReadonlySet<string> = new Set([
  "busybox pipeline",
  "C program crashes",
  "C program kernel_signals",
  "C program platform_interrupts",
]);

/** Made for this platform: see the files. */
const KVM_PROGRAMS = ["exceptions", "storms"];

const SHELL: readonly (readonly [string, string])[] = [
  ["busybox echo", "busybox echo hello"],
  ["busybox pipeline", "busybox sh -c 'busybox seq 1 500 | busybox sort -r | busybox md5sum'"],
  ["bash loop", `bash -c 'for i in 1 2 3 4 5 6 7 8; do echo $i $(echo $((i*i)) | cat); done'`],
  [
    "bash jobs",
    `bash -c 'for i in 1 2 3 4; do (sleep 0.1; exit $i) & done; for j in $(jobs -p); do wait $j; echo $?; done'`,
  ],
  [
    "python3",
    `python3 -c 'import json,math; print(json.dumps([math.sqrt(i) for i in range(20)]))'`,
  ],
  [
    "python3 threads",
    `python3 -c '
import threading,queue
q=queue.Queue(); out=[]
def work():
    while True:
        i=q.get()
        if i is None: return
        out.append(sum(range(i)))
ts=[threading.Thread(target=work) for _ in range(8)]
[t.start() for t in ts]
[q.put(i) for i in range(200)]
[q.put(None) for _ in ts]
[t.join() for t in ts]
print(len(out), sum(out))'`,
  ],
  [
    "python3 processes",
    `python3 -c '
import subprocess,os,signal
print(subprocess.run(["sh","-c","echo out; exit 3"],capture_output=True))
p=subprocess.Popen(["sleep","100"]); p.send_signal(signal.SIGTERM); print(p.wait())'`,
  ],
  [
    "gcc",
    `bash -c 'printf "#include <stdio.h>\\nint main(){double x=2;for(int i=0;i<9;i++)x*=x-1;printf(\\"%%g\\\\n\\",x);return 7;}" >a.c; gcc -O1 -o a a.c && ./a'`,
  ],
  [
    "git",
    `bash -c 'git init -q . && git config user.name n && git config user.email e@x && echo a >f && git add f && git commit -qm one && git log --format=%H && git gc -q && git fsck --no-progress 2>/dev/null && git cat-file -p HEAD:f'`,
  ],
  [
    "sqlite3",
    `sqlite3 t.db 'create table t(a,b); insert into t values(1,2),(3,4); create index i on t(b); select sum(a*b) from t; pragma integrity_check;'`,
  ],
];

export function cases(): Case[] {
  const list: Case[] = SHELL.map(([name, command]) => ({ name, command }));
  const add = (name: string, source: string, flags: string[] = []) => {
    const program = [name, ...flags].join("").replace(/\W/g, "_");
    const label = flags.length === 0 ? `C program ${name}` : `static C program ${name}`;
    list.push({ name: label, command: `/trial/${program}`, source, flags, program });
  };
  for (const name of C_PROGRAMS) add(name, `tests/guest/src/${name}.c`);
  add("kernel_signals", "tests/guest/src/kernel_signals.c", ["-static"]);
  for (const name of KVM_PROGRAMS) add(name, `scripts/kvm/src/${name}.c`);
  for (const c of list) if (!EVERYWHERE.has(c.name)) c.only = "kvm";
  return list;
}
