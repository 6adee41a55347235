/** The guest scripts in a Debian root file system made with mmdebstrap, compared with their run under runc. */
import assert from "node:assert/strict";
import type { OciSpec } from "../../src/container/oci_spec.ts";
import {
  debianRoot,
  hasReference,
  runBundle,
  runReference,
  withBundle,
} from "../support/bundle.ts";
import { ENVIRONMENT, onPlatforms, withoutPids } from "../support/guest.ts";
import type { Outcome } from "../support/runsc.ts";

const PROGRAMS = new URL("../guest/programs", import.meta.url).pathname;

const SCRIPTS: [interpreter: string[], script: string][] = [
  [["bash"], "bash_pipelines.sh"],
  [["bash"], "bash_language.sh"],
  [["bash"], "bash_jobs.sh"],
  [["bash"], "coreutils.sh"],
  [["bash"], "text_tools.sh"],
  [["bash"], "archives.sh"],
  [["bash"], "git_session.sh"],
  [["bash"], "sqlite_session.sh"],
  [["bash"], "toolchain.sh"],
  [["perl"], "perl_script.pl"],
  [["python3"], "python_threads.py"],
  [["python3"], "python_processes.py"],
  [["python3"], "python_library.py"],
];

const root = await debianRoot();
const compared = root !== null && await hasReference();

function containerOf(spec: OciSpec): void {
  const process = spec.process;
  if (process === undefined) return;
  process.env = Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
  process.cwd = "/tmp";
  process.rlimits = [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }];
  const all = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "MKNOD"];
  const list = all.map((name) => `CAP_${name}`);
  process.capabilities = { bounding: list, permitted: list, effective: list };
  spec.mounts = [
    ...spec.mounts ?? [],
    { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777", "size=512m"] },
    { destination: "/programs", type: "bind", source: PROGRAMS, options: ["rbind", "ro"] },
  ];
}

for (const [interpreter, script] of SCRIPTS) {
  const name = `Debian runs ${script}`;
  if (root === null || !compared) {
    Deno.test({ name, ignore: true, fn: () => {} });
    continue;
  }
  let expected: Outcome | null = null;
  onPlatforms(name, async (platform) => {
    const command = [...interpreter, `/programs/${script}`];
    await withBundle(root, command, containerOf, async (bundle) => {
      expected ??= await runReference(bundle);
      const actual = await runBundle(platform, bundle);
      // Whether Python warns of semaphores at its end depends on which of its processes ends first.
      const plain = (o: Outcome) => ({
        ...o,
        stderr: withoutPids(o.stderr).replace(/^.*resource_tracker.*\n( {2}warnings.*\n)?/gm, ""),
      });
      assert.deepEqual(plain(actual), plain(expected));
    });
  });
}
