/** Bits of {@link SetAttr.valid}. */
export const ATTR = {
  MODE: 1,
  UID: 2,
  GID: 4,
  ATIME: 8,
  MTIME: 16,
  CTIME: 32,
  /** The access time is "now" rather than a given one: needs less permission. */
  ATIME_NOW: 64,
  MTIME_NOW: 128,
} as const;

/** Attributes to set on an inode. */
export class SetAttr {
  valid = 0;
  mode = 0;
  uid = 0;
  gid = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;

  /** Sets the change time, which accompanies every change. */
  stampChange(now: number): void {
    this.valid |= ATTR.CTIME;
    this.ctimeSec = Math.floor(now / 1e9);
    this.ctimeNsec = Math.floor(now - this.ctimeSec * 1e9);
  }
}
