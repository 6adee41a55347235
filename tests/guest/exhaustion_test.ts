/** Programs without measure harm their own sandbox only. */
import assert from "node:assert/strict";
import { onPlatforms, sandboxed } from "../support/guest.ts";
import { runsc } from "../support/runsc.ts";

onPlatforms("a fork bomb ends at its limit, and its sandbox goes on", async (platform) => {
  const bomb = "ulimit -u 60; b() { b | b & }; b 2> /dev/null; sleep 1; echo $?";
  const script =
    `setpriv --reuid 54321 --clear-groups timeout -s KILL 4 bash -c '${bomb}' > /dev/null 2>&1
    pkill -KILL -u 54321; echo goes on`;
  const { code, stdout } = await sandboxed(platform, ["bash", "-c", script]);
  assert.equal(stdout, "goes on\n");
  assert.equal(code, 0);
}, { needs: ["bash", "setpriv", "pkill"] });

onPlatforms("a program that opens files without end is stopped by its limit", async (platform) => {
  const program = `
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
n = 0
try:
    while True: os.open("/etc/passwd", 0); n += 1
except OSError as e: print(e.strerror, n)
`;
  const { stdout } = await sandboxed(platform, ["python3", "-c", program]);
  assert.equal(stdout, "Too many open files 4093\n");
}, { needs: ["python3"] });

onPlatforms(
  "a program that fills memory file systems is told that there is no space",
  async (platform) => {
    const script =
      "head -c 100000000 /dev/zero > /dev/shm/big; echo $?; stat -c %s /dev/shm/big; rm /dev/shm/big; echo ok > /dev/shm/f; cat /dev/shm/f";
    const { stdout, stderr } = await sandboxed(platform, ["sh", "-c", script]);
    assert.equal(stdout, "1\n67108864\nok\n");
    assert.match(stderr, /No space left on device/);
  },
);

onPlatforms(
  "recursion of directories, names and links without end is refused",
  async (platform) => {
    const script = `
cd /tmp; n=$(printf 'x%.0s' $(seq 300)); mkdir "$n"; echo $?
ln -s loop loop; cat loop; echo $?
python3 -c 'import os
for i in range(3000): os.mkdir("d"); os.chdir("d")
try: print(len(os.getcwd()))
except OSError as e: print(e.strerror)'
p=$(printf 'd/%.0s' $(seq 3000)); ls "/tmp/$p"; echo $?`;
    const { code, stdout } = await sandboxed(platform, ["bash", "-c", script]);
    assert.equal(stdout, "1\n1\n6004\n2\n");
    assert.equal(code, 0);
  },
);

for (
  const [name, status] of [
    ["SEGV", 139],
    ["ILL", 132],
    ["FPE", 136],
    ["ABRT", 134],
    ["KILL", 137],
    ["TERM", 143],
  ] as const
) {
  onPlatforms(`a first process that SIG${name} ends gives status ${status}`, async (platform) => {
    const program = `import os, signal; signal.signal(signal.SIG${name}, signal.SIG_DFL) if ${
      name !== "KILL" ? "True" : "False"
    } else None; os.kill(os.getpid(), signal.SIG${name}); import ctypes; ctypes.string_at(0)`;
    const { code } = await sandboxed(platform, [
      "sh",
      "-c",
      `python3 -c '${program}'; s=$?; echo $s; exit $s`,
    ]);
    assert.equal(code, status);
  }, { needs: ["python3"], platforms: ["systrap"] });
}

Deno.test("a first process that faults gives 128 and the signal's number", async () => {
  const { code } = await runsc(["do", "--", "python3", "-c", "import ctypes; ctypes.string_at(0)"]);
  assert.equal(code, 139);
});
