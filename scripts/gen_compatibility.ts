/**
 * Writes docs/compatibility.md from the system call table and the handlers that there are. With `--check` it writes
 * nothing and fails if the document is not what it would write.
 */

import { errnoName } from "../src/abi/errno.ts";
import { support, type Syscall, table } from "../src/sentry/syscalls/table.ts";

const SYSCALLS = new URL("../src/sentry/syscalls/", import.meta.url);
const DOCUMENT = new URL("../docs/compatibility.md", import.meta.url);

/**
 * The system calls that have a handler: the `sys_<name>` exports of the files in a directory. The text is searched, not
 * loaded, so that the document can be made without a kernel.
 */
export async function handledSyscalls(directory: URL = SYSCALLS): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const entry of Deno.readDir(directory)) {
    if (!entry.isFile || !entry.name.endsWith(".ts")) continue;
    const text = await Deno.readTextFile(new URL(entry.name, directory));
    for (const match of text.matchAll(/^export (?:function|const) sys_(\w+)/gm)) {
      names.add(match[1]);
    }
  }
  return names;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function line(row: Syscall, handled: boolean): string {
  const s = support(row, handled);
  switch (s.level) {
    case "full":
      return `| ${row.nr} | ${row.name} | yes | |`;
    case "partial":
      return `| ${row.nr} | ${row.name} | in part | ${cell(s.missing)} |`;
    case "refused":
      return `| ${row.nr} | ${row.name} | ${errnoName(s.errno)} | ${cell(s.reason)} |`;
  }
}

/** The text of the document, given the names of the system calls that have a handler. */
export function compatibility(handled: ReadonlySet<string>): string {
  const counts = { full: 0, partial: 0, refused: 0 };
  for (const row of table) counts[support(row, handled.has(row.name)).level]++;
  const lines = [
    "# System calls",
    "",
    "<!-- Written by scripts/gen_compatibility.ts from the system call table. -->",
    "",
    `Of the ${table.length} system calls of Linux 6.12 on amd64, a sandbox provides ${counts.full} in full and ` +
    `${counts.partial} in part. The other ${counts.refused} it refuses with the error that the table shows.`,
    "",
    "*In full* means that what programs use works as Linux documents it; *in part* says what is missing.",
  ];
  for (const family of new Set(table.map((row) => row.family))) {
    lines.push("", `## ${family}`, "");
    lines.push("| number | name | provided | note |", "| ---: | --- | --- | --- |");
    for (const row of table) {
      if (row.family === family) lines.push(line(row, handled.has(row.name)));
    }
  }
  return `${lines.join("\n")}\n`;
}

if (import.meta.main) {
  const text = compatibility(await handledSyscalls());
  if (!Deno.args.includes("--check")) {
    await Deno.writeTextFile(DOCUMENT, text);
  } else if (await Deno.readTextFile(DOCUMENT).catch(() => "") !== text) {
    console.error(
      "docs/compatibility.md is out of date: run deno run -A scripts/gen_compatibility.ts",
    );
    Deno.exit(1);
  }
}
