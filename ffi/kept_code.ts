/**
 * Machine code that is the same at every start. From source it is assembled when it is wanted; the build of the
 * executable does that beforehand and leaves the result where `keptCode` finds it.
 */

/** Code, or other bytes, with the offsets or addresses of what is in it. */
export interface KeptCode {
  readonly code: Uint8Array<ArrayBuffer>;
  readonly labels: ReadonlyMap<string, number>;
}

/** Kept code as the build writes it into the program: bytes as base64. */
export type StoredCode = Readonly<Record<string, { code: string; labels: Record<string, number> }>>;

declare global {
  /** Defined around the program by the build only. */
  var RUNSC_KEPT_CODE: StoredCode | undefined;
}

const STORED: StoredCode = typeof RUNSC_KEPT_CODE === "undefined" ? {} : RUNSC_KEPT_CODE;
const makers = new Map<string, () => KeptCode>();

/** What the build has kept under a name; null where there is none. */
export function storedCode(name: string): KeptCode | null {
  const stored = STORED[name];
  if (stored === undefined) return null;
  return {
    code: Uint8Array.fromBase64(stored.code),
    labels: new Map(Object.entries(stored.labels)),
  };
}

/** Declares kept code; the function that is returned gives it. `make` must not depend on the machine. */
export function keptCode(name: string, make: () => KeptCode): () => KeptCode {
  makers.set(name, make);
  let kept: KeptCode | null = null;
  return () => kept ??= storedCode(name) ?? make();
}

/** Makes all code that loaded modules have declared, for the build. */
export function storeKeptCode(): StoredCode {
  const stored: Record<string, StoredCode[string]> = {};
  for (const [name, make] of makers) {
    const { code, labels } = make();
    stored[name] = { code: code.toBase64(), labels: Object.fromEntries(labels) };
  }
  return stored;
}
