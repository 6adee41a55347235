import { DatabaseSync } from "node:sqlite";

/** The databases that Deno keeps in `DENO_DIR` of what it learnt of a module. */
const DATABASES = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"];

/** V8's header of a code cache: magic, version, length of the source, hash of the flags, then the payload's own. */
const FLAG_HASH = { from: 12, to: 16 };

export interface TrainingOptions {
  /** Executable without start files. */
  executable: string;
  /** A command line that ends with success. */
  args: string[];
  /** Code of the program's parts by their names. */
  code: Map<string, Uint8Array>;
}

/**
 * What Deno would find in `DENO_DIR` had it run the executable before: the bundle's dependencies, so that it is not
 * parsed to find them, and V8's code, so that it is not compiled again.
 */
export function learnStartFiles(options: TrainingOptions): Map<string, Uint8Array> {
  const directory = train(options, {});
  try {
    takeOverCode(directory, options);
    const files = new Map<string, Uint8Array>();
    for (const name of DATABASES) {
      const path = `${directory}/${name}`;
      const database = new DatabaseSync(path);
      // All in one file, and compact: this is copied at every start. Deno wants a write-ahead log, and would change
      // the file if it found another mode.
      database.exec("PRAGMA journal_mode=DELETE; VACUUM; PRAGMA journal_mode=WAL;");
      database.close();
      files.set(name, Deno.readFileSync(path));
    }
    return files;
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Runs the executable until Deno has nothing more to learn; the caller removes the directory. */
function train({ executable, args }: TrainingOptions, v8Flags: Record<string, string>): string {
  const directory = Deno.makeTempDirSync({ prefix: "runsc-training-" });
  try {
    for (let round = 0; round < 2; round++) {
      run(executable, args, { ...v8Flags, DENO_DIR: directory, RUNSC_TRAINING: "1" });
    }
  } catch (error) {
    Deno.removeSync(directory, { recursive: true });
    throw error;
  }
  return directory;
}

/**
 * Puts code that V8 compiled ahead of need into the cache: every function of the program itself, and those functions of
 * its parts that ran in training. V8 takes a cache only under the flags that it was made with, yet the flags of training
 * change when code is made, not what it is: the header gets the hash of the flags at run time.
 */
function takeOverCode(directory: string, options: TrainingOptions): void {
  const eager = train(options, { DENO_V8_FLAGS: "--no-lazy" });
  const from = new DatabaseSync(`${eager}/v8_code_cache_v2`);
  const to = new DatabaseSync(`${directory}/v8_code_cache_v2`);
  try {
    const select = "SELECT specifier, type, data FROM codecache";
    const update = to.prepare("UPDATE codecache SET data = ? WHERE specifier = ? AND type = ?");
    const compiled = from.prepare(select).all();
    const missing = new Set(options.code.keys());
    for (const own of to.prepare(select).all()) {
      const part = /^file:\/\/\/runsc\/(.+)$/.exec(String(own.specifier))?.[1];
      const data = part === undefined
        ? compiled.find((row) => row.specifier === own.specifier && row.type === own.type)?.data
        : options.code.get(part);
      if (!(data instanceof Uint8Array) || !(own.data instanceof Uint8Array)) continue;
      data.set(own.data.subarray(FLAG_HASH.from, FLAG_HASH.to), FLAG_HASH.from);
      update.run(data, own.specifier, own.type);
      if (part !== undefined) missing.delete(part);
    }
    if (missing.size > 0) throw new Error(`Deno has learnt nothing of ${[...missing].join()}`);
  } finally {
    from.close();
    to.close();
    Deno.removeSync(eager, { recursive: true });
  }
}

/** The code of all functions of a part of the program that run in one run of the executable made for learning. */
export function learnCode(executable: string, part: string, args: string[]): Uint8Array {
  const directory = Deno.makeTempDirSync({ prefix: "runsc-training-" });
  try {
    run(executable, args, { RUNSC_LEARN: directory, DENO_DIR: directory });
    return Deno.readFileSync(`${directory}/${part}.code`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function run(executable: string, args: string[], env: Record<string, string>): void {
  const { success, stderr } = new Deno.Command(executable, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).outputSync();
  if (!success) throw new Error(`the executable failed: ${new TextDecoder().decode(stderr)}`);
}
