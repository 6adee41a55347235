/**
 * Byte strings: what the application names things with (paths, arguments, attribute names) is bytes, held here as
 * JavaScript strings whose every char is one byte, 0 to 255. They compare, concatenate and hash as fast as any string.
 */

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** The byte string of `length` bytes of `bytes` at `offset`. */
export function bytesToString(bytes: Uint8Array, offset = 0, length = bytes.length): string {
  let text = "";
  const end = offset + length;
  for (let i = offset; i < end; i++) text += String.fromCharCode(bytes[i]);
  return text;
}

/** The byte string that ends before the first NUL of `bytes` at `offset`, at most `max` bytes long. */
export function cString(bytes: Uint8Array, offset = 0, max = bytes.length - offset): string {
  const nul = bytes.subarray(offset, offset + max).indexOf(0);
  return bytesToString(bytes, offset, nul < 0 ? max : nul);
}

/** The bytes of a byte string. */
export function stringToBytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Writes a byte string into `bytes` at `offset`, with no NUL after it; returns its length. */
export function putString(bytes: Uint8Array, offset: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
  return text.length;
}

/** Turns an ordinary JavaScript string (from a command line or a configuration) into a byte string. */
export function utf8ToByteString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return bytesToString(encoder.encode(text));
  }
  return text;
}

/** Turns a byte string into an ordinary JavaScript string, for messages. */
export function byteStringToUtf8(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return decoder.decode(stringToBytes(text));
  }
  return text;
}
