import assert from "node:assert/strict";
import {
  type Action,
  ALLOW,
  type ArgumentTest,
  type Comparison,
  compileFilter,
  errno,
  type Filter,
  KILL_PROCESS,
  type Rule,
  trace,
  trap,
  type Word,
} from "../../../ffi/seccomp.ts";
import { runFilter, type SeccompData } from "./bpf_interpreter.ts";

const X86_64 = 0xc000003e;

function call(nr: number, args: bigint[] = [], ip = 0x400000n): SeccompData {
  return { nr, arch: X86_64, ip, args };
}

function unsigned(value: Word): bigint {
  return BigInt.asUintN(64, BigInt(value));
}

function holds(test: Comparison, value: bigint): boolean {
  switch (test.op) {
    case "eq":
      return value === unsigned(test.value);
    case "ne":
      return value !== unsigned(test.value);
    case "lt":
      return value < unsigned(test.value);
    case "le":
      return value <= unsigned(test.value);
    case "gt":
      return value > unsigned(test.value);
    case "ge":
      return value >= unsigned(test.value);
    case "masked":
      return (value & unsigned(test.mask)) === unsigned(test.value);
    case "range":
      return value >= unsigned(test.low) && value <= unsigned(test.high);
  }
}

/** What a filter means, said without BPF. */
function meaning(filter: Filter, data: SeccompData): Action {
  if (data.arch !== X86_64 || data.nr >= 0x40000000) return filter.foreign ?? KILL_PROCESS;
  for (const rule of filter.rules) {
    const numbers = typeof rule.nr === "number" ? [rule.nr] : rule.nr;
    if (numbers !== undefined && !numbers.includes(data.nr)) continue;
    if (rule.ip && (data.ip < unsigned(rule.ip.from) || data.ip >= unsigned(rule.ip.to))) continue;
    if ((rule.args ?? []).every((t) => holds(t, data.args[t.arg] ?? 0n))) return rule.action;
  }
  return filter.otherwise;
}

Deno.test("an instruction pointer range separates a stub from its application", () => {
  const filter = compileFilter({
    rules: [{ ip: { from: 0x7fff_0000_1000, to: 0x7fff_0000_2000 }, action: ALLOW }],
    otherwise: trap(),
  });
  assert.equal(runFilter(filter, call(1, [], 0x7fff_0000_1000n)), ALLOW);
  assert.equal(runFilter(filter, call(1, [], 0x7fff_0000_1fffn)), ALLOW);
  for (const ip of [0x7fff_0000_0fffn, 0x7fff_0000_2000n, 0x1000n, 0x1_7fff_0000_1800n, 0n]) {
    assert.equal(runFilter(filter, call(1, [], ip)), trap());
  }
});

Deno.test("other architectures and the x32 ABI are foreign", () => {
  const filter = compileFilter({ rules: [{ nr: [0, 1], action: ALLOW }], otherwise: errno(38) });
  assert.equal(runFilter(filter, call(1)), ALLOW);
  assert.equal(runFilter(filter, call(2)), errno(38));
  assert.equal(runFilter(filter, call(0x40000001)), KILL_PROCESS);
  assert.equal(runFilter(filter, call(0xffffffff)), KILL_PROCESS);
  assert.equal(runFilter(filter, { ...call(1), arch: 0x40000003 }), KILL_PROCESS);
});

Deno.test("the first rule that matches decides", () => {
  const filter = compileFilter({
    rules: [
      { nr: 5, args: [{ arg: 0, op: "eq", value: 1 }], action: errno(1) },
      { args: [{ arg: 0, op: "eq", value: 2 }], action: errno(2) },
      { nr: [4, 5], action: errno(3) },
      { nr: 5, action: errno(4) },
    ],
    otherwise: ALLOW,
  });
  assert.equal(runFilter(filter, call(5, [1n])), errno(1));
  assert.equal(runFilter(filter, call(5, [2n])), errno(2));
  assert.equal(runFilter(filter, call(6, [2n])), errno(2));
  assert.equal(runFilter(filter, call(5, [3n])), errno(3));
  assert.equal(runFilter(filter, call(6, [3n])), ALLOW);
});

Deno.test("filters longer than a jump's reach keep their meaning", () => {
  const rules: Rule[] = [];
  for (let nr = 0; nr < 250; nr++) {
    rules.push({
      nr,
      args: [{ arg: nr % 6 as 0, op: "range", low: nr, high: nr + 5 }],
      action: errno(nr),
    });
    if (nr % 100 === 50) rules.push({ ip: { from: nr, to: nr + 1 }, action: trap(nr) });
  }
  const filter = { rules, otherwise: trace(7) };
  const program = compileFilter(filter);
  assert.ok(program.length / 8 > 1000);
  for (let nr = 0; nr < 310; nr++) {
    for (const value of [0n, BigInt(nr), BigInt(nr) + 5n, BigInt(nr) + 6n, 1n << 40n]) {
      const data = call(nr, Array(6).fill(value), 150n);
      assert.equal(runFilter(program, data), meaning(filter, data));
    }
  }
});

Deno.test("random filters mean what their rules say", () => {
  let state = 12345;
  const random = (n: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 0x100000000) * n);
  };
  const words = [
    0n,
    1n,
    2n,
    0xffffffffn,
    0x100000000n,
    0x100000001n,
    0x80000000n,
    (1n << 64n) - 1n,
  ];
  const word = () => words[random(words.length)];
  const comparison = (): Comparison => {
    const op = (["eq", "ne", "lt", "le", "gt", "ge", "masked", "range"] as const)[random(8)];
    if (op === "masked") {
      const mask = word();
      return { op, mask, value: word() & mask };
    }
    if (op === "range") return { op, low: word(), high: word() };
    return { op, value: word() };
  };
  for (let round = 0; round < 300; round++) {
    const rules: Rule[] = [];
    const count = random(12);
    for (let i = 0; i < count; i++) {
      const args: ArgumentTest[] = [];
      for (let j = random(3); j > 0; j--) args.push({ ...comparison(), arg: random(3) as 0 });
      rules.push({
        nr: [undefined, random(6), [random(6), random(6)]][random(3)],
        args: random(2) === 0 ? undefined : args,
        ip: random(4) === 0 ? { from: word(), to: word() } : undefined,
        action: random(3) === 0 ? ALLOW : errno(i),
      });
    }
    const filter: Filter = { rules, otherwise: trap(99) };
    const program = compileFilter(filter);
    for (let i = 0; i < 60; i++) {
      const data = call(random(7), [word(), word(), word()], word());
      assert.equal(runFilter(program, data), meaning(filter, data), JSON.stringify(round));
    }
  }
});

Deno.test("filters that make no sense are refused", () => {
  const compile = (rule: Rule) => () => compileFilter({ rules: [rule], otherwise: ALLOW });
  assert.throws(compile({ nr: -1, action: ALLOW }), /no system call/);
  assert.throws(compile({ nr: 0x40000000, action: ALLOW }), /no system call/);
  const outside: ArgumentTest = { arg: 0, op: "masked", mask: 1, value: 2 };
  assert.throws(compile({ nr: 1, args: [outside], action: ALLOW }), /never holds/);
  assert.throws(() => errno(65536), /16 bits/);
  const many: Rule[] = [];
  for (let i = 0; i < 2000; i++) many.push({ ip: { from: i, to: 9 }, action: errno(1) });
  assert.throws(() => compileFilter({ rules: many, otherwise: ALLOW }), /exceeds 4096/);
});

Deno.test("the kernel takes a filter and obeys it", async () => {
  const out = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", import.meta.resolve("./seccomp_fixture.ts")],
  }).output();
  assert.equal(new TextDecoder().decode(out.stdout).trim(), "[0,-77,-78,true,true,true]");
});
