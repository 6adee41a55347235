/**
 * Checks that imports of what ships run one way, that no files import each other in a circle, and that nothing from
 * outside comes in unasked. Part of `deno task lint`.
 *
 * @module
 */

const ROOT = new URL("..", import.meta.url).pathname;

/** The parts of the tree, and what each may import beside itself. */
const MAY_IMPORT: [part: string, others: string[]][] = [
  ["src/abi", []],
  ["src/netstack", ["src/abi"]],
  ["ffi", ["src/abi"]],
  ["src/container", ["src/abi", "ffi"]],
  ["src/sentry/platform", ["src/abi", "ffi"]],
  ["src/sentry/syscalls", ["src/sentry", "src/abi", "ffi"]],
  ["src/sentry/strace", ["src/sentry", "src/abi"]],
  ["src/sentry/socket", ["src/sentry:core", "src/netstack", "src/abi", "ffi"]],
  ["src/sentry", ["src/sentry:core", "src/abi", "ffi"]],
  ["src/boot", ["src/sentry", "src/container", "src/netstack", "src/abi", "ffi"]],
  ["src/cli", ["src/boot", "src/container", "src/abi", "ffi"]],
  ["mod.ts", ["src/container"]],
];

/** Parts of the sentry that lie above the others. */
const TOP_OF_SENTRY = ["src/sentry/syscalls", "src/sentry/strace"];

/** Packages that may be imported, and from where. */
const PACKAGES: Record<string, string> = { "type-flag": "src/cli/" };

interface Import {
  specifier: string;
  line: number;
  /** Whether the module is loaded as the importing one is: neither a type alone nor `import()`. */
  atLoad: boolean;
}

/** The imports of a module; comments and strings that look like imports are unlikely enough at the start of a line. */
function importsOf(source: string): Import[] {
  const found: Import[] = [];
  const statement = /^(?:import|export)\s+(type\s+)?([^"';]*?)\s*(?:from\s*)?"([^"]+)"/gm;
  const dynamic = /\bimport\(\s*"([^"]+)"\s*\)/g;
  const lineOf = (index: number) => source.slice(0, index).split("\n").length;
  for (const match of source.matchAll(statement)) {
    if (match[0].startsWith("export") && !/from\s*"/.test(match[0])) continue;
    const names = /^\{([^}]*)\}$/.exec(match[2])?.[1].split(",").map((name) => name.trim());
    const onlyTypes = match[1] !== undefined ||
      (names?.filter((name) => name !== "").every((name) => name.startsWith("type ")) ?? false);
    found.push({ specifier: match[3], line: lineOf(match.index), atLoad: !onlyTypes });
  }
  for (const match of source.matchAll(dynamic)) {
    found.push({ specifier: match[1], line: lineOf(match.index), atLoad: false });
  }
  return found;
}

function modules(path: string): string[] {
  let info: Deno.FileInfo;
  try {
    info = Deno.statSync(ROOT + path);
  } catch {
    return [];
  }
  if (info.isFile) return path.endsWith(".ts") ? [path] : [];
  return [...Deno.readDirSync(ROOT + path)].flatMap((entry) => modules(`${path}/${entry.name}`));
}

function isWithin(path: string, part: string): boolean {
  return path === part || path.startsWith(`${part}/`);
}

/** Whether a module at `from` may import one at `to`. */
function isAllowed(from: string, to: string): boolean {
  const row = MAY_IMPORT.find(([part]) => isWithin(from, part));
  if (row === undefined) return false;
  const [part, others] = row;
  const isTop = TOP_OF_SENTRY.some((top) => isWithin(to, top));
  if (isWithin(to, part)) return part !== "src/sentry" || !isTop;
  return others.some((other) =>
    other === "src/sentry:core" ? isWithin(to, "src/sentry") && !isTop : isWithin(to, other)
  );
}

/** Circles among the modules, each as the list of its members. */
function circles(graph: Map<string, string[]>): string[][] {
  const found: string[][] = [];
  const state = new Map<string, "open" | "done">();
  const path: string[] = [];
  const visit = (module: string) => {
    state.set(module, "open");
    path.push(module);
    for (const next of graph.get(module) ?? []) {
      if (state.get(next) === "open") found.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(module, "done");
  };
  for (const module of graph.keys()) if (!state.has(module)) visit(module);
  return found;
}

const problems: string[] = [];
const graph = new Map<string, string[]>();
for (const module of ["src", "ffi", "mod.ts"].flatMap(modules)) {
  const loaded: string[] = [];
  for (const { specifier, line, atLoad } of importsOf(Deno.readTextFileSync(ROOT + module))) {
    const at = `${module}:${line}`;
    if (!specifier.startsWith(".")) {
      if (!module.startsWith(PACKAGES[specifier] ?? "\0")) {
        problems.push(`${at}: "${specifier}" may not be imported here`);
      }
      continue;
    }
    const target = new URL(specifier, `file:///${module}`).pathname.slice(1);
    if (!isAllowed(module, target)) {
      problems.push(`${at}: imports ${target}, against the direction`);
    }
    if (atLoad) loaded.push(target);
  }
  graph.set(module, loaded);
}
for (const circle of circles(graph)) problems.push(`circle: ${circle.join(" -> ")}`);
for (const problem of problems) console.error(problem);
console.log(`checked the imports of ${graph.size} modules: ${problems.length} problems`);
if (problems.length > 0) Deno.exit(1);
