/** What a container does to the host's files, and what it can't. */
import assert from "node:assert/strict";
import { busyboxRoot, containerId, withBundle } from "../support/bundle.ts";
import { onPlatforms } from "../support/guest.ts";
import { type Outcome, runProgram, runscPath } from "../support/runsc.ts";

const root = await busyboxRoot();

interface Setting {
  /** Made in the host's directory before. */
  prepare?: string;
  script: string;
  options?: string[];
  flags?: string[];
  /** Run on the host when the container prints `ready`. */
  meanwhile?: (host: string, sandbox: Deno.ChildProcess) => Promise<void>;
}

/** Runs the script with a directory of the host at /data; `check` gets its output and what `show` prints there then. */
function effect(
  name: string,
  setting: Setting,
  check: (o: Outcome, host: string) => Promise<void>,
) {
  if (root === null) return Deno.test({ name, ignore: true, fn: () => {} });
  onPlatforms(name, async (platform) => {
    const host = await Deno.makeTempDir({ prefix: "runsc-host-" });
    const { prepare = "", script, options = ["rw"], flags = [], meanwhile } = setting;
    try {
      await runProgram(["sh", "-c", prepare], { cwd: host });
      const apply = (spec: { mounts?: unknown[] }) => {
        spec.mounts?.push({
          destination: "/data",
          type: "bind",
          source: host,
          options: ["bind", ...options],
        });
      };
      await withBundle(root, ["sh", "-c", `cd /data; ${script}`], apply, async (bundle) => {
        const own = [await runscPath(), "--platform", platform, ...flags];
        const command = [...own, "run", "--bundle", bundle, containerId()];
        if (meanwhile === undefined) return await check(await runProgram(command), host);
        const child = new Deno.Command(command[0], {
          args: command.slice(1),
          stdout: "piped",
          stderr: "null",
        }).spawn();
        const reader = child.stdout.getReader();
        await reader.read();
        await meanwhile(host, child);
        let stdout = "";
        for (let r = await reader.read(); !r.done; r = await reader.read()) {
          stdout += new TextDecoder().decode(r.value);
        }
        const { code } = await child.status;
        await check({ code, stdout, stderr: "" }, host);
      });
    } finally {
      await runProgram(["rm", "-rf", host]);
    }
  });
}

effect("what is written is on the host after fsync", {
  script: "exec 3>file; echo text >&3; sync; echo ready; read line < go",
  prepare: "mkfifo go; true",
  flags: ["--file-access-mounts", "shared"],
  async meanwhile(host, child) {
    assert.equal(await Deno.readTextFile(`${host}/file`), "text\n");
    child.kill("SIGKILL");
  },
}, async () => {});

effect("what is written is on the host after SIGTERM", {
  script: "trap 'exit 3' TERM; exec 3>file; echo text >&3; sleep 60 & echo ready; wait",
  // deno-lint-ignore require-await
  async meanwhile(_host, child) {
    child.kill("SIGTERM");
  },
}, async ({ code }, host) => {
  assert.equal(code, 3);
  assert.equal(await Deno.readTextFile(`${host}/file`), "text\n");
});

effect("links, fifos and devices of a directory lead nowhere", {
  prepare: "ln -s /etc/hostname out; ln -s ../../../../../etc/hostname up; mkfifo fifo; " +
    "mknod disk b 254 0; mknod memory c 1 1; mkdir sub; ln -s .. sub/back",
  script: "cat out up disk memory; echo $?; (echo through > fifo &); cat fifo; mknod node c 1 1; " +
    "echo $?; ls sub/back | wc -l; ln -s /etc/passwd made",
}, async ({ stdout }, host) => {
  assert.equal(stdout, "1\nthrough\n1\n6\n");
  assert.equal(await Deno.readLink(`${host}/made`), "/etc/passwd");
});

effect("a read-only directory stays as it was", {
  prepare: "echo old > file; chmod 600 file; touch -d @1000 file",
  options: ["ro"],
  script:
    "echo new > file; rm file; chmod 777 file; touch file new; mv file other; ln file link; " +
    "mount -o remount,rw /data; echo new > file; cat file",
}, async ({ stdout }, host) => {
  assert.equal(stdout, "old\n");
  const { stdout: after } = await runProgram(["stat", "-c", "%n %a %Y", "file"], { cwd: host });
  assert.equal(after, "file 600 1000\n");
  assert.deepEqual([...Deno.readDirSync(host)].map((e) => e.name), ["file"]);
});

effect("changes of the host show in a shared directory", {
  prepare: "echo old > file; mkfifo go",
  script:
    "cat file >/dev/null; ls >/dev/null; echo ready; until [ -e made ]; do sleep 0.1; done; cat file; ls",
  async meanwhile(host) {
    await Deno.writeTextFile(`${host}/file`, "newer\n");
    await Deno.writeTextFile(`${host}/made`, "");
  },
}, ({ stdout }) => {
  assert.equal(stdout, "newer\nfile\ngo\nmade\n");
  return Promise.resolve();
});

effect("a bounded cache reads files of any size", {
  prepare: "head -c 4000000 /dev/zero | tr '\\\\0' x > file",
  flags: ["--cache-memory", "1m", "--file-access-mounts", "exclusive"],
  script: "md5sum < file; md5sum < file; cp file copy; cmp file copy && echo same",
}, async ({ stdout }, host) => {
  const { stdout: sum } = await runProgram(["sh", "-c", "md5sum < copy"], { cwd: host });
  assert.equal(stdout, `${sum}${sum}same\n`);
});
