import assert from "node:assert/strict";
import { graft } from "../../scripts/graft/graft.ts";
import { asScript, link, withLoader } from "../../scripts/graft/parts.ts";
import { learnCode, learnStartFiles } from "../../scripts/graft/start_files.ts";
import { runProgram, runsc, runscPath } from "../support/runsc.ts";

/** Says how it was started. */
const PROBE = `
const directory = Deno.env.get("DENO_DIR") ?? "";
const { library } = await import("./library.ts");
const report = {
  args: Deno.args,
  execPath: Deno.execPath(),
  prepared: directory.startsWith("/dev/shm/runsc-start-"),
  library: library(),
  cmdline: Deno.readTextFileSync("/proc/self/cmdline").split("\0").slice(1, -1),
  environ: Deno.readTextFileSync("/proc/self/environ").split("\0").slice(0, -1),
  home: Deno.env.get("HOME") ?? null,
  stack: Deno.readTextFileSync("/proc/self/maps").includes("[stack]"),
};
if (report.prepared) Deno.removeSync(directory, { recursive: true });
console.log(JSON.stringify(report));
`;

/** Its part; the word is no ASCII. */
const LIBRARY = 'var word = () => "gr\u00fcn \u{1F984}";\nexport { word as library };\n';

let probe: Promise<string> | null = null;

/** An executable made like the real one, of the probe. */
function probePath(): Promise<string> {
  probe ??= (async () => {
    const directory = await Deno.makeTempDir({ prefix: "runsc-probe-" });
    addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
    const deno = await Deno.realPath(Deno.execPath());
    const bare = `${directory}/bare`;
    const parts = [{ name: "library.js", source: asScript(LIBRARY) }];
    const specifiers = [{ name: "library.js", specifier: "./library.ts" }];
    const linked = link(PROBE, specifiers);
    const learning = withLoader(linked, "learn");
    graft({ deno, output: bare, program: learning, parts, startFiles: null });
    const code = learnCode(bare, [{ args: [] }, { args: ["x"] }], directory);
    assert.ok(code.has("library.js"));
    const program = withLoader(linked, "run");
    graft({ deno, output: bare, program, parts, startFiles: null });
    const startFiles = learnStartFiles({ executable: bare, args: [], code });
    graft({ deno, output: `${directory}/probe`, program, parts, startFiles });
    return `${directory}/probe`;
  })();
  return probe;
}

async function report(args: string[], options: Parameters<typeof runProgram>[1] = {}) {
  const { code, stdout, stderr } = await runProgram([await probePath(), ...args], options);
  assert.equal(code, 0, stderr);
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

const ARGUMENTS: string[][] = [
  [],
  [""],
  ["", "", "a", ""],
  ["--help"],
  ["-A", "run", "--version", "--", "-x", "--v8-flags=--help"],
  ["--", "--"],
  ["ä €", "a b", "\n", "'\"$"],
  Array.from({ length: 2000 }, (_, index) => `argument ${index}`),
  ["x".repeat(100_000)],
];

for (const args of ARGUMENTS) {
  const shown = JSON.stringify(args).slice(0, 60);
  Deno.test(`the executable hands over the arguments ${shown} as they are`, async () => {
    const { args: handed, cmdline } = await report(args);
    assert.deepEqual(handed, args);
    assert.deepEqual(cmdline, args);
  });
}

Deno.test("any number of arguments and variables leaves the stack aligned", async () => {
  for (let count = 0; count < 4; count++) {
    const env: Record<string, string> = {};
    for (let index = 0; index < count; index++) env[`V${index}`] = "x".repeat(index);
    for (let args = 0; args < 3; args++) {
      const told = await report(Array(args).fill("a"), { env, clearEnv: true });
      assert.deepEqual(
        told.environ,
        Object.entries(env).map(([name, value]) => `${name}=${value}`),
      );
      assert.equal(told.args.length, args);
      assert.ok(told.stack);
    }
  }
});

Deno.test("arguments that are no UTF-8 do not stop the executable", async () => {
  const { code } = await runProgram(["bash", "-c", `exec ${await probePath()} $'a\\xff'`]);
  assert.equal(code, 0);
  const runscFile = await runscPath();
  const { code: status, stderr } = await runProgram([
    "bash",
    "-c",
    `exec ${runscFile} run --bundle $'/nowhere/\\xff' a`,
  ]);
  assert.equal(status, 1);
  assert.match(stderr, /^runsc: cannot open bundle /);
});

Deno.test("the executable starts from prepared code", async () => {
  const { prepared, library } = await report([]);
  assert.ok(prepared);
  assert.equal(library, "grün \u{1F984}");
});

Deno.test({
  name: "a start leaves nothing behind, and takes along what a killed one left",
  ignore: Deno.uid() !== 0,
  async fn() {
    // In a mount namespace of its own nobody else starts from this /dev/shm.
    const script = `
      mount -t tmpfs none /dev/shm
      mkdir -p /dev/shm/runsc-start-0123456789abcdef/npm /dev/shm/runsc-start-fedcba9876543210
      touch -d '2 minutes ago' /dev/shm/runsc-start-0123456789abcdef
      '${await runscPath()}' --version
      '${await runscPath()}' nonsense
      ls /dev/shm`;
    const { stdout } = await runProgram(["unshare", "-m", "bash", "-c", script]);
    assert.equal(stdout.split("\n").slice(2).join("\n"), "runsc-start-fedcba9876543210\n");
  },
});

Deno.test({
  name: "where no directory can be made the executable starts all the same",
  ignore: Deno.uid() !== 0,
  async fn() {
    const directory = await Deno.makeTempDir({ dir: "/var/tmp" });
    try {
      const copy = `${directory}/runsc`;
      await Deno.copyFile(await runscPath(), copy);
      await Deno.chmod(copy, 0o755);
      const script = `
        for d in /dev/shm /run /tmp; do mount -t tmpfs -o ro none $d; done
        '${copy}' --version && '${copy}' do --cwd / nonexistent-program`;
      const { code, stdout, stderr } = await runProgram(["unshare", "-m", "bash", "-c", script]);
      assert.match(stdout, /^runsc version /);
      // The sandbox was loaded, since it is what looks for programs.
      assert.match(stderr, /^runsc: [^\n]+\n$/);
      assert.equal(code, 1);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test("the executable's name is the user's, not Deno's", async () => {
  const { execPath, cmdline } = await report(["x"]);
  assert.equal(execPath, await probePath());
  assert.deepEqual(cmdline, ["x"]);
});

Deno.test("a copy elsewhere works without HOME, with nothing on the descriptors 0 to 2", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const copy = `${directory}/somewhere else`;
    await Deno.copyFile(await runscPath(), copy);
    await Deno.chmod(copy, 0o755);
    const plain = await runsc(["--version"], { executable: copy, clearEnv: true, cwd: "/proc" });
    assert.deepEqual({ code: plain.code, stderr: plain.stderr }, { code: 0, stderr: "" });
    assert.match(plain.stdout, /^runsc version /);
    const closed = [
      `exec '${copy}' --version <&-`,
      `exec '${copy}' --version <&- 2>&-`,
      `cd / && exec -c '${copy}' --version`,
    ];
    for (const script of closed) {
      const { code, stdout } = await runProgram(["bash", "-c", script]);
      assert.equal(code, 0, script);
      assert.match(stdout, /^runsc version /);
    }
    assert.equal((await runProgram(["bash", "-c", `'${copy}' --version >&-; true`])).code, 0);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("nothing is written under HOME", async () => {
  const home = await Deno.makeTempDir();
  try {
    const { code } = await runsc(["--version"], {
      env: { HOME: home, PATH: "/bin" },
      clearEnv: true,
    });
    assert.equal(code, 0);
    assert.deepEqual([...Deno.readDirSync(home)], []);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("variables that steer Deno do not steer the executable", async () => {
  const env = { DENO_DIR: "/nowhere", DENO_NO_PACKAGE_JSON: "0", DENO_NO_UPDATE_CHECK: "0" };
  const { environ, prepared } = await report([], { env });
  assert.ok(prepared);
  assert.ok(environ.includes("DENO_DIR=/nowhere"));
});

Deno.test("the executable works under a low limit of open files", async () => {
  const script = `ulimit -n 64; exec '${await runscPath()}' --version`;
  const { code, stdout, stderr } = await runProgram(["bash", "-c", script]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^runsc version /);
});

Deno.test("a reader that goes away ends the help without a word", async () => {
  const script = `'${await runscPath()}' help | true; exit 0`;
  const { stderr } = await runProgram(["bash", "-c", script]);
  assert.equal(stderr, "");
});
