/**
 * Strings for bytes that were seen before. A path that a program uses again and again becomes the same string object each
 * time: no string is made, and its hash is known already where it is a key of a map.
 */
// hot: every path argument passes here.

/** Longer texts are not kept. */
const MAX_LENGTH = 255;
const SLOTS = 4096;

class PooledText {
  readonly text: string;
  /** The bytes, four in a word, and the rest. */
  readonly words: Int32Array;
  readonly tail: number;

  constructor(text: string) {
    const n = text.length >>> 2;
    this.text = text;
    this.words = new Int32Array(n);
    for (let i = 0; i < n; i++) {
      const at = i * 4;
      this.words[i] = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) |
        (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24);
    }
    let tail = 0;
    for (let i = n * 4; i < text.length; i++) tail |= text.charCodeAt(i) << (8 * (i - n * 4));
    this.tail = tail;
  }
}

/** A bounded set of byte strings, by their bytes. */
export class TextPool {
  readonly #slots: (PooledText | null)[] = new Array(SLOTS).fill(null);
  /** The hash seen last in each slot: a text is kept when it comes a second time. */
  readonly #seen: Int32Array = new Int32Array(SLOTS);

  /** The bytes of `view` from `at` to the first NUL before `stop`; null if there is none, or it is far. */
  read(view: DataView, at: number, stop: number): string | null {
    let hash = 0;
    let p = at;
    let tail = 0;
    if (stop > at + MAX_LENGTH) stop = at + MAX_LENGTH;
    for (; p + 4 <= stop; p += 4) {
      const w = view.getInt32(p, true);
      // Whether one of the four bytes is zero.
      if (((w - 0x01010101) & ~w & 0x80808080) !== 0) break;
      hash = Math.imul(hash ^ w, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const words = (p - at) >>> 2;
    let shift = 0;
    for (;;) {
      if (p >= stop) return null;
      const b = view.getUint8(p);
      if (b === 0) break;
      tail |= b << shift;
      shift += 8;
      p++;
    }
    // The last bytes of a window that ends before the NUL of a whole word make a long tail.
    if (shift > 24) return null;
    hash = Math.imul(hash ^ tail ^ (p - at), 0x85ebca6b);
    const slot = (hash ^ (hash >>> 13)) & (SLOTS - 1);
    const known = this.#slots[slot];
    if (known !== null && known.tail === tail && known.text.length === p - at) {
      const own = known.words;
      let i = 0;
      while (i < words && own[i] === view.getInt32(at + i * 4, true)) i++;
      if (i === words) return known.text;
    }
    return this.#add(slot, hash, view, at, p);
  }

  #add(slot: number, hash: number, view: DataView, at: number, end: number): string {
    const codes: number[] = [];
    for (let p = at; p < end; p++) codes.push(view.getUint8(p));
    const text = String.fromCharCode.apply(null, codes);
    if (this.#seen[slot] === hash) this.#slots[slot] = new PooledText(text);
    this.#seen[slot] = hash;
    return text;
  }
}

/** The strings that system call arguments name. */
export const argumentTexts = new TextPool();
