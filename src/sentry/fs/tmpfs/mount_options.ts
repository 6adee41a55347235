/** Mount options as mount(2) takes them: `name` or `name=value`, separated by commas. */
export function parseOptions(data: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const part of data.split(",")) {
    if (part === "") continue;
    const eq = part.indexOf("=");
    if (eq < 0) options.set(part, "");
    else options.set(part.slice(0, eq), part.slice(eq + 1));
  }
  return options;
}

/** A number of bytes or things with a suffix k, m, g or t, or `%` of `whole`; -1 if malformed. */
export function parseSize(text: string, whole: number): number {
  const match = /^(\d{1,15})([kmgt%]?)$/i.exec(text);
  if (match === null) return -1;
  const n = Number(match[1]);
  switch (match[2].toLowerCase()) {
    case "%":
      return Math.floor(whole * n / 100);
    case "k":
      return n * 2 ** 10;
    case "m":
      return n * 2 ** 20;
    case "g":
      return n * 2 ** 30;
    case "t":
      return n * 2 ** 40;
  }
  return n;
}

/** An octal mode, or -1. */
export function parseMode(text: string): number {
  return /^[0-7]{1,5}$/.test(text) ? parseInt(text, 8) & 0o7777 : -1;
}

/** A user or group id, or -1. */
export function parseId(text: string): number {
  return /^\d{1,10}$/.test(text) && Number(text) < 0xffffffff ? Number(text) : -1;
}
