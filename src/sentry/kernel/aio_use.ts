/** Requests of Linux AIO that contexts have room for, which /proc/sys/fs/aio-nr tells. */
export const aioUse = { requests: 0 };

/** The most of them (fs.aio-max-nr). */
export const AIO_MAX = 65536;
