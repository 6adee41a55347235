/**
 * Builds `dist/runsc` where it is older than its sources, and runs real programs in a sandbox, telling what each shows.
 *
 * @module
 */
import { compileIfStale } from "./compile.ts";

interface Scene {
  title: string;
  /** What it shows. */
  story: string;
  /** Programs of this machine that it needs. */
  needs: string[];
  /** Arguments of runsc. */
  args: string[];
  /** Exit status that is right; 0 without it. */
  status?: number;
  /** Commands of the host around it. */
  before?: () => Promise<void>;
  after?: () => Promise<void>;
}

const bold = (text: string) => Deno.noColor ? text : `\x1b[1m${text}\x1b[0m`;
const dim = (text: string) => Deno.noColor ? text : `\x1b[2m${text}\x1b[0m`;

const BUNDLE = await Deno.makeTempDir({ prefix: "runsc-demo-" });
const MARK = `${BUNDLE}/mark`;

async function exists(program: string): Promise<boolean> {
  const found = new Deno.Command("sh", {
    args: ["-c", 'command -v "$1"', "sh", program],
    stdout: "null",
  });
  return (await found.output()).success;
}

async function makeBundle(): Promise<void> {
  const bin = `${BUNDLE}/rootfs/bin`;
  await Deno.mkdir(bin, { recursive: true });
  await Deno.mkdir(`${BUNDLE}/rootfs/etc`);
  await Deno.writeTextFile(
    `${BUNDLE}/rootfs/etc/motd`,
    "This root file system holds busybox alone.\n",
  );
  const path = new Deno.Command("sh", { args: ["-c", "command -v busybox"], stdout: "piped" });
  const busybox = new TextDecoder().decode((await path.output()).stdout).trim();
  await Deno.copyFile(busybox, `${bin}/busybox`);
  for (const name of ["sh", "cat", "ls", "id", "hostname", "ps"]) {
    await Deno.symlink("busybox", `${bin}/${name}`);
  }
  const runsc = await compileIfStale();
  await new Deno.Command(runsc, { args: ["spec", "--bundle", BUNDLE] }).output();
  const config = JSON.parse(await Deno.readTextFile(`${BUNDLE}/config.json`));
  config.process.args = ["sh", "-c", "cat /etc/motd; hostname; id; ls /; ps"];
  config.process.terminal = false;
  await Deno.writeTextFile(`${BUNDLE}/config.json`, JSON.stringify(config));
}

const PROGRAM = `
#include <pthread.h>
#include <stdio.h>
static void *run(void *n) { printf("thread %ld\\n", (long)n); return 0; }
int main(void) {
  pthread_t t[3];
  for (long i = 0; i < 3; i++) { pthread_create(&t[i], 0, run, (void *)i); pthread_join(t[i], 0); }
  return 0;
}`;

const SCENES: Scene[] = [
  {
    title: "Another kernel",
    story: "A program of this machine asks for its kernel; the one that answers is TypeScript.",
    needs: ["bash"],
    args: ["do", "--", "bash", "-c", "uname -a; cat /proc/version; echo I am $$; ls /"],
  },
  {
    title: "Pipelines, jobs and traps",
    story: "bash forks, waits, gets signals and connects pipes, all inside.",
    needs: ["bash", "awk", "sort"],
    args: [
      "do",
      "--",
      "bash",
      "-c",
      `trap 'echo trapped' USR1; kill -USR1 $$
for i in 3 1 2; do echo $i; done | sort | awk '{ s += $1; print } END { print "sum", s }'
sleep 0.1 & wait $!; echo "job ended with $?"`,
    ],
  },
  {
    title: "Writes go to memory",
    story:
      "The host's root file system lies beneath; what the program changes is dropped at its end.",
    needs: ["bash"],
    before: () => Deno.writeTextFile(MARK, "written on the host\n"),
    args: [
      "do",
      "--",
      "bash",
      "-c",
      `echo "overwritten inside" > ${MARK}; cat ${MARK}; rm ${MARK}; ls ${MARK}`,
    ],
    status: 2,
    after: async () => {
      console.log(dim(`on the host, afterwards: ${await Deno.readTextFile(MARK)}`).trimEnd());
    },
  },
  {
    title: "Python",
    story: "Threads, a child process and a temporary file.",
    needs: ["python3"],
    args: [
      "do",
      "--",
      "python3",
      "-c",
      `import platform, subprocess, tempfile, threading
print("Python", platform.python_version(), "on", platform.system(), platform.release())
t = [threading.Thread(target=lambda n=n: print("thread", n)) for n in range(3)]
[x.start() for x in t]; [x.join() for x in t]
print(subprocess.run(["echo", "from a child"], capture_output=True, text=True).stdout, end="")
with tempfile.TemporaryFile() as f: f.write(b"x" * 1000000); print("wrote", f.tell(), "bytes")
print(6 * 7)`,
    ],
  },
  {
    title: "A compiler",
    story: "gcc compiles and links a threaded program, which then runs.",
    needs: ["gcc", "bash"],
    args: [
      "do",
      "--",
      "bash",
      "-c",
      `cd /tmp && cat > demo.c <<'EOF'${PROGRAM}\nEOF\ngcc -O1 -pthread -o demo demo.c && ./demo`,
    ],
  },
  {
    title: "git",
    story: "A repository is made, committed to and cloned.",
    needs: ["git", "bash"],
    args: [
      "do",
      "--env",
      "GIT_AUTHOR_NAME=Demo",
      "--env",
      "GIT_AUTHOR_EMAIL=demo@localhost",
      "--env",
      "GIT_COMMITTER_NAME=Demo",
      "--env",
      "GIT_COMMITTER_EMAIL=demo@localhost",
      "--",
      "bash",
      "-c",
      `mkdir -p /tmp/demo-a && cd /tmp/demo-a && git init -q && echo hello > file && git add file &&
git commit -q -m "First commit" && git clone -q . ../demo-b && git -C ../demo-b log --oneline`,
    ],
  },
  {
    title: "Every system call",
    story: "--strace prints what the program asks of the kernel.",
    needs: ["echo"],
    args: ["--strace", "do", "--", "/bin/echo", "hello"],
  },
  {
    title: "A crash stays inside",
    story: "A program that reads address 0 ends as it does natively: signal 11, status 139.",
    needs: ["python3"],
    args: ["do", "--", "python3", "-c", "import ctypes; ctypes.string_at(0)"],
    status: 139,
  },
  {
    title: "An OCI bundle",
    story: "'runsc run' starts a container of a root file system of its own.",
    needs: ["busybox"],
    before: makeBundle,
    args: ["run", "--bundle", BUNDLE, "demo"],
  },
];

/** The last lines of a long text. */
function ending(text: string, lines = 24): string {
  const all = text.trimEnd().split("\n");
  return all.length <= lines
    ? text.trimEnd()
    : [dim(`… ${all.length - lines} lines before`), ...all.slice(-lines)].join("\n");
}

async function play(runsc: string, scene: Scene, number: number): Promise<boolean> {
  console.log(`\n${bold(`${number}. ${scene.title}`)}\n${scene.story}`);
  for (const program of scene.needs) {
    if (await exists(program)) continue;
    console.log(dim(`left out: ${program} is not installed`));
    return true;
  }
  await scene.before?.();
  const shown = scene.args.map((arg) => /^[\w./:=@-]+$/.test(arg) ? arg : `'${arg}'`).join(" ");
  console.log(dim(`$ runsc ${shown}`));
  const start = performance.now();
  const child = new Deno.Command(runsc, {
    args: scene.args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(120_000),
  });
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  if (text !== "") console.log(ending(text));
  await scene.after?.();
  const wanted = scene.status ?? 0;
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const verdict = code === wanted ? "as it should" : `but ${wanted} was to be expected`;
  console.log(dim(`ended with ${code} after ${seconds} s, ${verdict}`));
  return code === wanted;
}

try {
  console.log("building dist/runsc where it is out of date");
  const runsc = await compileIfStale();
  let wrong = 0;
  for (const [index, scene] of SCENES.entries()) {
    if (!await play(runsc, scene, index + 1)) wrong++;
  }
  console.log(`\n${wrong === 0 ? "All went well." : `${wrong} went wrong.`}`);
  console.log("Try it yourself: dist/runsc do -- bash");
  Deno.exitCode = wrong === 0 ? 0 : 1;
} finally {
  await Deno.remove(BUNDLE, { recursive: true });
}
