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
  /** Whether the cache is to hold the code of every function, not only of those that run as the module loads. */
  everyFunction: boolean;
}

/**
 * What Deno would find in `DENO_DIR` had it run the executable before: the bundle's dependencies, so that it is not
 * parsed to find them, and V8's code, so that it is not compiled again.
 */
export function learnStartFiles(options: TrainingOptions): Map<string, Uint8Array> {
  const directory = train(options, {});
  try {
    if (options.everyFunction) takeOverCode(directory, options);
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
  for (let round = 0; round < 2; round++) {
    const { success, stderr } = new Deno.Command(executable, {
      args,
      env: { ...v8Flags, DENO_DIR: directory, RUNSC_TRAINING: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).outputSync();
    if (!success) {
      Deno.removeSync(directory, { recursive: true });
      throw new Error(`the executable failed: ${new TextDecoder().decode(stderr)}`);
    }
  }
  return directory;
}

/**
 * Puts code that V8 compiled ahead of need into the cache. V8 takes a cache only under the flags that it was made with,
 * yet `--no-lazy` changes when code is made, not what it is: the header gets the hash of the flags at run time.
 */
function takeOverCode(directory: string, options: TrainingOptions): void {
  const eager = train(options, { DENO_V8_FLAGS: "--no-lazy" });
  const from = new DatabaseSync(`${eager}/v8_code_cache_v2`);
  const to = new DatabaseSync(`${directory}/v8_code_cache_v2`);
  try {
    const select = "SELECT specifier, type, source_hash, data FROM codecache";
    const update = to.prepare(
      "UPDATE codecache SET data = ? WHERE specifier = ? AND type = ? AND source_hash = ?",
    );
    update.setReadBigInts(true);
    const known = to.prepare(select);
    known.setReadBigInts(true);
    const rows = from.prepare(select);
    rows.setReadBigInts(true);
    for (const row of rows.all()) {
      const own = known.all().find((other) =>
        other.specifier === row.specifier && other.type === row.type
      );
      if (!(row.data instanceof Uint8Array) || !(own?.data instanceof Uint8Array)) continue;
      row.data.set(own.data.subarray(FLAG_HASH.from, FLAG_HASH.to), FLAG_HASH.from);
      update.run(row.data, row.specifier, row.type, row.source_hash);
    }
  } finally {
    from.close();
    to.close();
    Deno.removeSync(eager, { recursive: true });
  }
}
