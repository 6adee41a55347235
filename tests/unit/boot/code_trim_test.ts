import assert from "node:assert/strict";
import { codeRanges, trimCodeLater } from "../../../src/boot/code_trim.ts";
import { Clock } from "../../../src/sentry/kernel/clock.ts";
import { TimerQueue } from "../../../src/sentry/kernel/timers.ts";

Deno.test("only code and constants of the executable itself are found", () => {
  const maps = `\
55d000000000-55d000001000 r--p 00000000 fe:00 12 /usr/bin/a program
55d000001000-55d000003000 r-xp 00001000 fe:00 12 /usr/bin/a program
55d000003000-55d000003800 r--p 00003000 fe:00 12 /usr/bin/a program
55d000003800-55d000004000 rw-p 00003000 fe:00 12 /usr/bin/a program
7f0000000000-7f0000002000 r-xp 00000000 fe:00 13 /usr/lib/libc.so.6
7f0000003000-7f0000004000 r-xp 00000000 00:00 0 
7f0000005000-7f0000006000 rwxp 00000000 fe:00 12 /usr/bin/a program
`;
  assert.deepEqual(codeRanges(maps, "/usr/bin/a program"), [
    [0x55d000000000, 0x55d000001000],
    [0x55d000001000, 0x55d000003000],
  ]);
  assert.deepEqual(codeRanges(maps, "/usr/bin/a"), []);
});

Deno.test("this process goes on after its code was dropped", () => {
  let now = 0;
  const timers = new TimerQueue({ monotonic: () => now } as Clock);
  trimCodeLater(timers);
  assert.equal(timers.size, 1);
  now = 1e9;
  timers.run(now);
  assert.equal(timers.size, 0);
  assert.equal([3, 1, 2].sort().join(), "1,2,3");
});
