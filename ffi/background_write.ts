/** A write that another thread makes, for files whose kernel side sleeps long. */

function openWrite() {
  return Deno.dlopen("libc.so.6", {
    write: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
  }).symbols.write;
}

let hostWrite: ReturnType<typeof openWrite> | null = null;

/**
 * Writes bytes to an open descriptor while this thread goes on; resolves to whether all were written. Deno's own way to
 * do so loads a good part of Deno first.
 */
export async function writeInBackground(
  fd: number,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  hostWrite ??= openWrite();
  return Number(await hostWrite(fd, bytes, BigInt(bytes.length))) === bytes.length;
}
