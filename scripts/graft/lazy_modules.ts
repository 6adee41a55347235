/** An import that a bundle made of pieces does when it runs to it. */
const DYNAMIC = /import\("(\.\/[^"]+\.js)"\)/g;
const STATIC = /^import\s*(?:\{[^{}]*\}\s*from\s*)?"[^"]+";\n?/gm;
const EXPORTS = /export\s*\{([^{}]*)\};?\s*$/;

/** The names of an export statement: what they are called inside, and what outside. */
export function exportedNames(list: string): { own: string; exported: string }[] {
  return list.split(",").map((name) => name.trim()).filter((name) => name !== "").map((name) => {
    const [own, exported = own] = name.split(/\s+as\s+/);
    return { own, exported };
  });
}

/**
 * Makes functions of the modules of a bundle that are imported dynamically, so that the pieces of the bundle can become
 * one. V8 looks into such a function when it is called, and until then it takes neither time nor memory. The bundler's own
 * way would take apart all modules that they share with others, which costs at each use of what is in those.
 */
export function makeLazy(pieces: Map<string, string>): Map<string, string> {
  const lazy = new Set<string>();
  const result = new Map<string, string>();
  for (const [name, text] of pieces) {
    const imports: string[] = [];
    const changed = text.replaceAll(DYNAMIC, (_, path: string) => {
      if (!pieces.has(path.slice(2))) {
        throw new Error(`${name} imports ${path}, which is not there`);
      }
      lazy.add(path.slice(2));
      const load = `runscLoad${imports.length}`;
      imports.push(`import { load as ${load} } from "${path}";\n`);
      return `Promise.resolve().then(${load})`;
    });
    result.set(name, imports.join("") + changed);
  }
  for (const name of lazy) result.set(name, asFunction(name, result.get(name)!));
  return result;
}

function asFunction(name: string, module: string): string {
  const match = EXPORTS.exec(module);
  if (match === null) throw new Error(`${name} is imported, but exports nothing`);
  const imports: string[] = [];
  const body = module.slice(0, match.index).replaceAll(STATIC, (statement) => {
    imports.push(statement);
    return "";
  });
  const names = exportedNames(match[1]).map(({ own, exported }) => `${exported}: ${own}`);
  return `${imports.join("")}
let loaded = null;
export function load() {
  return loaded ??= make();
}
function make() {
${body}
return { ${names.join(", ")} };
}
`;
}
